package transform

import (
	"strings"
	"testing"

	"yiqiao/transform/message"
)

// The password of a row is found for the device, and by no expression; the
// lines that a problem shows do not hold it either.
func TestCredentials(t *testing.T) {
	table, problems := ParseTable("devices", "devices.csv", []byte("id,zpjbm,user,password,name\ncam-1|cam-2,code-1,admin,s3cret-word,东门\ncam-3,code-1,root,\"quoted,word\",西门\ncam-3,code-3,x,s3cret-word,again\n"))
	if len(problems) != 1 {
		t.Fatalf("want the id that is there twice, got %v", problems)
	}
	if text := problems[0].Excerpt(message.Chinese); strings.Contains(text, "s3cret") || !strings.Contains(text, "***") {
		t.Errorf("the problem shows\n%s", text)
	}
	_, problems = ParseTable("devices", "devices.yaml", []byte("- {id: cam-1, password: s3cret-word}\n- {id: cam-1, password: s3cret-word, name: twice}\n"))
	if len(problems) != 1 || strings.Contains(problems[0].Excerpt(message.Chinese), "s3cret") || !strings.Contains(problems[0].Excerpt(message.Chinese), "***") {
		t.Errorf("of YAML: %v %v", problems, problems[0].Excerpt(message.Chinese))
	}
	r := &Rules{tables: map[string]*Table{"devices": table}}
	for id, want := range map[string]string{"cam-2": "admin s3cret-word", "CAM-3": "root quoted,word", "code-1": "admin s3cret-word", "other": " ", "": " ", "*": " "} {
		if user, password := r.Credentials("nothing", id); user+" "+password != want {
			t.Errorf("%q: %q %q, want %q", id, user, password, want)
		}
	}
	for _, row := range table.rows {
		if _, ok := row.cells["password"]; ok {
			t.Error("an expression sees the password")
		}
	}
	if !table.lacks("password") || table.lacks("user") {
		t.Error("a mapping may name the column")
	}
}
