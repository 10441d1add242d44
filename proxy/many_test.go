//go:build !race

package proxy

const manyWaiters = 10_000
