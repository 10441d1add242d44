//go:build !race

package disk

// lives of the property test; each loses its power three times.
const lives = 100

// stride of the failing operations that are tried.
const stride = 1
