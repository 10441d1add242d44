package storetest_test

import (
	"testing"

	"yiqiao/proxy/store"
	"yiqiao/proxy/store/storetest"
)

func TestModel(t *testing.T) {
	const maxEntry, maxBytes = 2 << 20, 4 << 20
	open := func(*testing.T) store.Store {
		m := storetest.NewModel()
		m.MaxEntry = maxEntry
		return m
	}
	small := func(*testing.T) store.Store {
		m := storetest.NewModel()
		m.MaxBytes = maxBytes
		return m
	}
	storetest.Run(t, open, storetest.Options{MaxEntry: maxEntry, Small: small})
}
