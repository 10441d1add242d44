package console

import (
	"yiqiao/transform"
	"yiqiao/transform/message"
)

// stepsOf are the steps in the language of the page.
func stepsOf(list []transform.Step, l message.Language) []transform.ToldStep {
	out := make([]transform.ToldStep, 0, len(list))
	for _, s := range list {
		one := s.In(l)
		if s.What == "check" { // its checks say it
			one.Err = ""
		}
		out = append(out, one)
	}
	return out
}
