package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestBulk(t *testing.T) {
	gone := &answeredError{http.StatusNotFound, "no such entry"}
	full := &answeredError{http.StatusServiceUnavailable, "the store is full"}
	for _, tt := range []struct {
		name  string
		names []string
		errs  map[string]error
		done  []string
		want  string // of the error
	}{
		{"all", []string{"a", "b", "c"}, nil, []string{"a", "b", "c"}, ""},
		{"one is gone", []string{"a", "b", "c"}, map[string]error{"b": gone}, []string{"a", "b is gone", "c"}, ""},
		{"the only one is gone", []string{"a"}, map[string]error{"a": gone}, nil, "no such entry"},
		{"full in the middle", []string{"a", "b", "c"}, map[string]error{"b": full}, []string{"a"}, "b: the store is full; 1 of 3 were done before"},
		{"the daemon ends", []string{"a", "b"}, map[string]error{"b": errors.New("refused")}, []string{"a"}, "b: refused; 1 of 2 were done before"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, told bytes.Buffer
			err := bulk(t.Context(), stdio{out: &out, err: &told}, "retry", tt.names, func(name string) error {
				if tt.errs[name] == nil {
					fmt.Fprintln(&out, name)
				}
				return tt.errs[name]
			})
			var want bytes.Buffer
			for _, line := range tt.done {
				fmt.Fprintln(&want, line)
			}
			if got := fmt.Sprint(err); out.String() != want.String() || tt.want == "" && err != nil || tt.want != "" && got != tt.want {
				t.Errorf("got %q and %v, want %q and %q", out.String(), err, want.String(), tt.want)
			}
			if told.Len() > 0 {
				t.Errorf("progress of a short run: %q", told.String())
			}
		})
	}
}

// A long run says every second how far it is, and ends when it is told to.
func TestBulkProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told bytes.Buffer
		err := bulk(t.Context(), stdio{out: &told, err: &told}, "retry", make([]string, 10), func(string) error {
			after(400 * time.Millisecond)
			return nil
		})
		const want = "retry: 3 of 10, about 3s left\nretry: 6 of 10, about 2s left\nretry: 9 of 10, about 0s left\n"
		if err != nil || told.String() != want {
			t.Errorf("got %q, %v, want %q", told.String(), err, want)
		}
	})
}
