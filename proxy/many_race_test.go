//go:build race

package proxy

const manyWaiters = 500 // the model is slow then
