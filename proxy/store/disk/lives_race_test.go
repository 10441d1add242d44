//go:build race

package disk

// lives of the property test; each loses its power three times. Under the race
// detector they are many times slower.
const lives = 3

// stride of the failing operations that are tried.
const stride = 9
