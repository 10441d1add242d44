//go:build !race

package disk

// lives of the property test; each loses its power three times.
const lives = 100
