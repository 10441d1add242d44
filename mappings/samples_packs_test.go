//go:build samples

// What the bundled packs make of each file of a folder of samples, as a table
// in Markdown (the folder is not part of the project):
//
//	go test -tags samples -run TestSamplesThroughPacks -v ./mappings -args -samples DIR
//
// The rows that a refusal gives to paste are pasted and filled in, as a person
// would, until no more are asked for; the table tells for which ids.
package mappings_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"yiqiao/mappings"
	"yiqiao/transform"
	"yiqiao/transform/spec"
)

// postedTo is where files are posted whose own path no pack has, by the
// beginning of their name.
var postedTo = []struct{ prefix, path string }{
	{"hikvision/", "/hikvision/cam"},
	{"hikvision-isc/", "/hikvision-isc/eventRcv"},
	{"dahua/itsapi_deviceinfo", "/NotificationInfo/DeviceInfo"},
	{"dahua/itsapi_keepalive", "/NotificationInfo/KeepAlive"},
	{"dahua/itsapi_tollgate", "/NotificationInfo/TollgateInfo"},
	{"dahua/itsapi_parkinginfo", "/NotificationInfo/ParkingInfo"},
	{"dahua/", "/dahua/cam"},
	{"uniview/", "/LAPI/V1.0/System/Event/Notification/PersonVerification"},
	{"gat1400/viid_faces", "/VIID/Faces"},
	{"gat1400/viid_motorvehicles", "/VIID/MotorVehicles"},
	{"gat1400/viid_apes", "/VIID/APEs"},
	{"gat1400/", "/VIID/System/Register"},
	{"vzenith/", "/vzenith/cam"},
	{"zkteco/adms_attphoto", "/iclock/fdata?SN=Z1&table=ATTPHOTO"},
	{"zkteco/", "/iclock/cdata?SN=Z1&table=ATTLOG"},
	{"iflytek/face", "/iflytek/api/v1/stk/zpjl"},
	{"iflytek/", "/iflytek/api/v1/stk/rytxjl"},
}

func TestSamplesThroughPacks(t *testing.T) {
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	fmt.Fprintf(&table, "| file | what came of it |\n|---|---|\n")
	n := 0
	err = filepath.WalkDir(*samples, func(name string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(*samples, name)
		if err != nil || d.IsDir() || !strings.ContainsRune(rel, filepath.Separator) {
			return err
		}
		n++
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		became := throughPack(t, catalogue, rel, data)
		fmt.Fprintf(&table, "| %s | %s |\n", rel, strings.NewReplacer("|", "\\|", "\n", "<br>").Replace(became))
		return nil
	})
	if err != nil || n == 0 {
		t.Fatalf("%d files, %v", n, err)
	}
	fmt.Print(table.String())
}

var pastedRow = regexp.MustCompile(`(?m)^([^\n,]+|"[^"]+"),[,]*$`)

// throughPack is what one sample becomes, with the rows that it asked for.
func throughPack(t *testing.T, catalogue *spec.Catalogue, rel string, data []byte) string {
	data = regexp.MustCompile(`\{\{b64png:(\d+)\}\}`).ReplaceAll(data, []byte("{{b64jpeg:$1}}"))
	q, body, err := transform.ReadInput(rel, data)
	if err != nil {
		return "not read: " + err.Error()
	}
	vendor, _, _ := strings.Cut(rel, "/")
	devices, people := "cam", ""
	var pasted []string
	for range 6 {
		tables := []*transform.Table{
			tableOf(t, "devices", strings.Replace(measuredDevices, "192.0.2.1,", devices+",", 1)),
			tableOf(t, "people", measuredPeople+people),
		}
		rules, problems := transform.Load(transform.Options{Catalogue: catalogue, Packs: []transform.Pack{{FS: mappings.FS}}, Sources: []string{vendor}, Tables: tables})
		if rules == nil {
			t.Fatal(problems)
		}
		s, params, ok := rules.Match(q.Method, q.Path)
		if !ok || s == nil {
			path := "/"
			for _, p := range postedTo {
				if strings.HasPrefix(filepath.ToSlash(rel), p.prefix) {
					path = p.path
					break
				}
			}
			at, _, err := transform.ReadInput("x.http", []byte("POST "+path+" HTTP/1.1\n\n"))
			if err != nil {
				t.Fatal(err)
			}
			q.Method, q.Path, q.Query = at.Method, at.Path, at.Query
			if s, params, ok = rules.Match(q.Method, q.Path); !ok || s == nil {
				t.Fatalf("%s: nobody listens at %s", rel, path)
			}
		}
		q.Params = params
		var res transform.Result
		rules.ApplyBody(s, q, body, &res, nil)
		why := res.Refusal
		if why == nil {
			why = res.Left
		}
		if why != nil {
			text, ids := why.Text, pastedRow.FindAllStringSubmatch(why.Text, -1)
			for _, row := range ids {
				id := strings.Trim(row[1], `"`)
				pasted = append(pasted, id)
				if strings.Contains(text, "people.csv, and fill in") {
					people += fmt.Sprintf("%s,某甲,3401021990010100%d5\n", id, len(pasted))
				} else {
					devices += "|" + id
				}
			}
			if len(ids) > 0 {
				continue
			}
		}
		note := ""
		if len(pasted) > 0 {
			note = " (after pasting the rows of " + strings.Join(pasted, ", ") + ")"
		}
		return outcomeOf(&res) + note
	}
	return "asks for ever more rows: " + strings.Join(pasted, ", ")
}

func outcomeOf(res *transform.Result) string {
	var said []string
	for i := range res.Records {
		said = append(said, "**"+res.Records[i].Interface.Name+"** "+string(res.Records[i].Describe()))
	}
	for _, ig := range res.Ignored {
		said = append(said, "ignored: "+ig.Because)
	}
	if res.Refusal != nil {
		said = append(said, "dead letter, "+string(res.Refusal.Class)+": "+res.Refusal.Text)
	}
	if res.Left != nil {
		said = append(said, "dead letter for a part: "+res.Left.Text)
	}
	return strings.Join(said, "\n")
}
