package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// progressEvery is how often a long run says how far it is.
const progressEvery = time.Second

// answeredError is what the daemon answered instead of doing it.
type answeredError struct {
	status int
	text   string
}

func (e *answeredError) Error() string { return e.text }

// bulk does one thing to many, in their order, and says on w every second how
// far it is. What is gone meanwhile, because somebody else or its age was
// faster, is passed over; any other error ends the run and says how far it
// came. Run again with the same filters it goes on from there.
func bulk(ctx context.Context, std stdio, verb string, names []string, do func(name string) error) error {
	begun, told := time.Now(), time.Now()
	for i, name := range names {
		err := ctx.Err()
		if err == nil {
			err = do(name)
		}
		var answered *answeredError
		switch {
		case err == nil:
		case len(names) > 1 && errors.As(err, &answered) && answered.status == http.StatusNotFound:
			fmt.Fprintf(std.out, "%s is gone\n", name)
		case len(names) > 1:
			return fmt.Errorf("%s: %w; %d of %d were done before", name, err, i, len(names))
		default:
			return err
		}
		if time.Since(told) > progressEvery {
			told = time.Now()
			done := i + 1
			left := time.Duration(float64(time.Since(begun)) / float64(done) * float64(len(names)-done))
			fmt.Fprintf(std.err, "%s: %d of %d, about %s left\n", verb, done, len(names), left.Round(time.Second))
		}
	}
	return nil
}
