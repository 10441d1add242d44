//go:build samples

// How well `yiqiao new` guesses, measured on a folder of samples of what
// devices send (it is not part of the project):
//
//	go test -tags samples -run TestProposals -v ./mappings -args -samples DIR
//
// Each sample that a bundled mapping covers is compared with what that mapping
// gives; the others with values read from the samples by hand (byHand). A
// required field is right if its proposed expression, run in the proposed
// mapping, gives that value for every record.
//
// Figure: of 46 samples 98 % of the required fields that the sample holds are
// right on average, 87 % when fields that no sample could give count as wrong.
// Without the fields that the device table gives: 78 of 81. The words of transform/propose_words.go were
// read from the same samples, so an unknown vendor will fare worse.
package mappings_test

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"yiqiao/mappings"
	"yiqiao/transform"
	"yiqiao/transform/event"
	"yiqiao/transform/spec"
)

var samples = flag.String("samples", "", "folder of samples")

// sampleCase is one sample with the interface that it is for.
type sampleCase struct {
	file, to string
	bundled  string              // the mapping that gives what is wanted; empty: byHand
	path     string              // where it is posted to, if the file does not say
	byHand   map[string][]string // of each record; alternatives with | between
}

// The one device of the measurement: all samples come from its address.
const (
	area = "340102001001001"
	snap = "34010200011321000001"
	door = "3401020010010011150001"
	gate = "3401020010010011410001"

	measuredDevices = "id,name,xqbm,zpjbm,mjxtbm,dzbm,ip,jd,wd,lx,fx\n192.0.2.1,东门," + area + "," + snap + "," + door + "," + gate + ",192.0.2.21,117.302269,31.895616,2,1\n"
	measuredPeople  = "id,name,zjhm\n"
)

func one(s string) []string { return []string{s} }

// wanted adds what the device table gives.
func wanted(to string, fields map[string][]string) map[string][]string {
	device := map[string]map[string]string{
		"stk/zpjl":   {"snapNo": snap, "areaNo": area},
		"stk/rytxjl": {"accessControlNo": door, "areaNo": area},
		"stk/cltxjl": {"snapNo": snap, "areaNo": area, "gateNo": gate},
		"stk/sbzt":   {"deviceID": snap, "areaNo": area, "deviceType": "1"},
		"zpj":        {"zpjbm": snap, "xqbm": area, "mc": "东门", "ip": "192.0.2.21", "jd": "117.302269", "wd": "31.895616", "lx": "2", "fx": "1"},
	}[to]
	out := map[string][]string{}
	records := 1
	for _, v := range fields {
		records = max(records, len(v))
	}
	for k, v := range device {
		out[k] = slices.Repeat(one(v), records)
	}
	for k, v := range fields {
		out[k] = v
	}
	return out
}

const noValue = "" // the sample does not hold it: nobody can propose it

func picturesOf(small, big string) map[string][]string {
	return map[string][]string{"snapSmallImage": one(small), "snapBigImage": one(big)}
}

func merge(maps ...map[string][]string) map[string][]string {
	out := map[string][]string{}
	for _, m := range maps {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

var noPictures = picturesOf(noValue, noValue)

func car(plate, at string, pictures map[string][]string) map[string][]string {
	return merge(map[string][]string{"carNo": one(plate), "accessTime": one(at)}, pictures)
}

var sampleCases = []sampleCase{
	{file: "hikvision/acs_face_pass_multipart.http", to: "stk/rytxjl", bundled: "hikvision/access"},
	{file: "hikvision/acs_fingerprint_multipart_nopic.http", to: "stk/rytxjl", bundled: "hikvision/access"},
	{file: "hikvision/acs_face_example_payload.json", to: "stk/rytxjl", bundled: "hikvision/access"},
	{file: "hikvision/acs_face_ipv6_https.json", to: "stk/rytxjl", bundled: "hikvision/access"},
	{file: "hikvision/acs_sparse_json.json", to: "stk/rytxjl", bundled: "hikvision/access"},
	{file: "hikvision/acs_history_infolist_pull.json", to: "stk/rytxjl", byHand: map[string][]string{"accessTime": {"2022-02-03 16:49:15", "2022-02-03 16:49:19"}, "accessType": {"*", "1"}}},
	{file: "hikvision/facecapture_multipart_contentid.http", to: "stk/zpjl", bundled: "hikvision/face"},
	{file: "hikvision/facecapture_direct_json.json", to: "stk/zpjl", byHand: merge(noPictures, map[string][]string{"snapTime": one("2026-08-19 23:34:19")})},
	{file: "hikvision/anpr_ds_tcg405_full.http", to: "stk/cltxjl", byHand: car("皖A00001", "2024-05-07 18:48:03", picturesOf("@part small", "@part big"))},
	{file: "hikvision/anpr_deepinview_v58.xml", to: "stk/cltxjl", byHand: car("AA0001A", "2026-07-06 03:44:40", noPictures)},
	{file: "hikvision/anpr_multipart_octet_stream.http", to: "stk/cltxjl", byHand: car("AA001AA", "2020-03-10 16:12:00", picturesOf("40000", "40000"))},
	{file: "hikvision/anpr_json_part.http", to: "stk/cltxjl", byHand: car("AAA001", noValue, noPictures)},
	{file: "hikvision/anpr_unknown_plate.xml", to: "stk/cltxjl", byHand: car("无牌", noValue, noPictures)},
	{file: "hikvision/plates_poll_answer.xml", to: "stk/cltxjl", byHand: car("AA01AAA", "2020-04-24 16:16:27", noPictures)},
	{file: "hikvision/heartbeat_dvr208_no_offset.xml", to: "stk/sbzt", byHand: map[string][]string{"deviceID": one(snap), "isOnLine": one("1")}},
	{file: "hikvision/heartbeat_ipc_offset.xml", to: "stk/sbzt", byHand: map[string][]string{"deviceID": one(snap), "isOnLine": one("1")}},
	{file: "hikvision/alertstream_nvr_heartbeat_part.txt", to: "stk/sbzt", byHand: map[string][]string{"deviceID": one(snap), "isOnLine": one("1")}},
	{file: "hikvision/device_info.xml", to: "zpj"},
	{file: "hikvision-isc/isc_acs_callback.json", to: "stk/rytxjl", byHand: map[string][]string{"accessTime": one("2019-05-23 09:51:09"), "accessType": one("1")}},
	{file: "hikvision-isc/isc_face_group_alarm.json", to: "stk/zpjl", byHand: merge(noPictures, map[string][]string{"snapTime": one("2020-07-11 10:50:20")})},
	{file: "dahua/itsapi_deviceinfo.json", to: "zpj", bundled: "dahua/deviceinfo"},
	{file: "dahua/itsapi_keepalive_bool.json", to: "stk/sbzt", byHand: map[string][]string{"deviceID": one(snap), "isOnLine": one("1")}},
	{file: "dahua/itsapi_keepalive_string.json", to: "stk/sbzt", byHand: map[string][]string{"deviceID": one(snap), "isOnLine": one("1")}},
	{file: "dahua/itsapi_tollgate_min.json", to: "stk/cltxjl", byHand: car("AAA0001", "2026-02-10 09:30:45", noPictures)},
	{file: "dahua/itsapi_tollgate_full.json", to: "stk/cltxjl", bundled: "dahua/tollgate"},
	{file: "dahua/eventmanager_trafficjunction_full.txt", to: "stk/cltxjl", byHand: car("1000AA1", "2026-08-03 21:14:06", noPictures)},
	{file: "dahua/eventmanager_doorface_issue296.txt", to: "stk/rytxjl", byHand: map[string][]string{"accessTime": one(noValue), "accessType": one("2")}},
	{file: "dahua/eventmanager_facerecognition_intelbras.txt", to: "stk/zpjl", byHand: merge(noPictures, map[string][]string{"snapTime": one("2026-08-18 00:00:05")})},
	{file: "dahua/eventmanager_platedetection_intelbras.txt", to: "stk/cltxjl", byHand: car("AAA0A01", "2026-08-18 00:00:10", noPictures)},
	{file: "dahua/snapmanager_facerecognition_kv.txt", to: "stk/zpjl", byHand: merge(noPictures, map[string][]string{"snapTime": one("2026-02-11 10:00:00")})},
	{file: "dahua/http_upload_accesscontrol.json", to: "stk/rytxjl", bundled: "dahua/access"},
	{file: "dahua/http_upload_image_event.http", to: "stk/rytxjl", bundled: "dahua/access"},
	{file: "dahua/access_ha_event_issue221.json", to: "stk/rytxjl", bundled: "dahua/access"},
	{file: "dahua/icc_alarm_msg_swing.json", to: "stk/rytxjl", byHand: map[string][]string{"accessTime": one("2026-02-11 18:00:00"), "accessType": one("1")}},
	{file: "uniview/lapi_person_verification.json", to: "stk/rytxjl", byHand: map[string][]string{"accessTime": one("2021-06-22 20:15:36|2021-06-22 20:15:37"), "accessType": one("2")}},
	{file: "gat1400/viid_faces.http", to: "stk/zpjl", byHand: merge(map[string][]string{"snapTime": one("2020-07-10 14:32:17")}, picturesOf("@type 11", "@type 14"))},
	{file: "gat1400/viid_motorvehicles_community.json", to: "stk/cltxjl", byHand: car("浙A00001", "2021-04-11 17:13:37", picturesOf("2250", "2250"))},
	{file: "gat1400/viid_apes_status.json", to: "stk/sbzt", byHand: map[string][]string{"deviceID": one("33029902001210000007|" + snap), "isOnLine": one("1")}},
	{file: "gat1400/viid_apes_status.json", to: "zpj", byHand: map[string][]string{"zpjbm": one("33029902001210000007|" + snap), "mc": one("东门|南车库入"), "ip": one("192.0.2.21|172.16.16.139")}},
	{file: "gat1400/viid_register.json", to: "zpj", byHand: map[string][]string{"zpjbm": one("41000000005030312222|" + snap), "mc": one("东门|Camera-01")}},
	{file: "vzenith/alarminfoplate_brief.http", to: "stk/cltxjl", byHand: car("粤A00001", noValue, noPictures)},
	{file: "vzenith/alarminfoplate_full_no_plate.json", to: "stk/cltxjl", byHand: car("无牌", "2015-09-10 00:12:51", noPictures)},
	{file: "vzenith/alphadigi_alarminfoplate.json", to: "stk/cltxjl", byHand: car("AAA0001", "2022-12-14 08:09:10", noPictures)},
	{file: "zkteco/adms_attlog.http", to: "stk/rytxjl", byHand: map[string][]string{"accessTime": one("2026-07-11 10:15:00"), "accessType": one("1")}},
	{file: "iflytek/face_capture_near_spec.json", to: "stk/zpjl", bundled: "iflytek/face", path: "/iflytek/api/v1/stk/zpjl"},
	{file: "iflytek/person_passage_near_spec.json", to: "stk/rytxjl", bundled: "iflytek/access", path: "/iflytek/api/v1/stk/rytxjl"},
}

func TestProposals(t *testing.T) {
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	m := &measure{catalogue: catalogue, tables: []*transform.Table{tableOf(t, "devices", measuredDevices), tableOf(t, "people", measuredPeople)}}
	sum, strict, n, unread := 0.0, 0.0, 0, 0
	own, ownRight := 0, 0 // fields that the device table does not give
	for _, c := range sampleCases {
		right, absent, all, err := m.sample(t, c)
		own, ownRight = own+m.own, ownRight+m.ownRight
		n++
		if err != nil {
			unread++
			t.Logf("%-55s %-11s  not read: %v", c.file, c.to, err)
			continue
		}
		share := 1.0
		if all > absent {
			share = float64(right) / float64(all-absent)
		}
		sum += share
		strict += float64(right) / float64(all)
		t.Logf("%-55s %-11s %d of %d right, %d not in the sample", c.file, c.to, right, all-absent, absent)
	}
	t.Logf("%d samples, %d of them of a body kind that is not decoded (they count as 0)", n, unread)
	t.Logf("required fields right: %.0f %% of what the sample holds, %.0f %% of all", 100*sum/float64(n), 100*strict/float64(n))
	t.Logf("without those that the device table gives: %d of %d of the samples that were read", ownRight, own)
	if sum/float64(n) < 0.6 {
		t.Errorf("less than 60 %% of the required fields are proposed right")
	}
}

func tableOf(t *testing.T, name, data string) *transform.Table {
	table, problems := transform.ParseTable(name, name+".csv", []byte(data))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return table
}

type measure struct {
	catalogue *spec.Catalogue
	tables    []*transform.Table

	own, ownRight int // of the last sample
}

// sample counts the required fields of one sample that are proposed right, and
// those of whose value it holds nothing.
func (m *measure) sample(t *testing.T, c sampleCase) (right, absent, all int, err error) {
	m.own, m.ownRight = 0, 0
	data, err := os.ReadFile(filepath.Join(*samples, c.file))
	if err != nil {
		t.Fatal(err)
	}
	name := "sample.in" + filepath.Ext(c.file)
	// A PNG of some size is a JPEG of that size here.
	data = regexp.MustCompile(`\{\{b64png:(\d+)\}\}`).ReplaceAll(data, []byte("{{b64jpeg:$1}}"))
	data = transform.Replace(name, data)
	iface := m.catalogue.Interface(c.to)
	p, err := transform.Propose(transform.Sample{Name: name, Data: data, Vendor: "measured", To: c.to, Catalogue: m.catalogue, Tables: m.tables})
	if err != nil {
		return 0, 0, 0, err
	}
	want := wanted(c.to, c.byHand)
	device := wanted(c.to, nil)
	for i := range iface.Fields {
		f := &iface.Fields[i]
		if f.Need != spec.Required {
			continue
		}
		all++
		if c.bundled != "" {
			vendor, _, _ := strings.Cut(c.bundled, "/")
			source, err1 := mappings.FS.ReadFile(vendor + "/source.yaml")
			mapping, err2 := mappings.FS.ReadFile(c.bundled + ".yaml")
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			want[f.Name] = m.field(iface, f, source, mapping, name, data, c.path)
		}
		if len(want[f.Name]) == 1 && want[f.Name][0] == noValue {
			absent++
			continue
		}
		got := m.field(iface, f, p.Source, p.Mapping, name, data, "")
		ofEvent := device[f.Name] == nil
		if ofEvent {
			m.own++
		}
		if m.same(want[f.Name], got, data) {
			right++
			if ofEvent {
				m.ownRight++
			}
		} else {
			t.Logf("    %s: want %q, got %q", f.Name, want[f.Name], got)
		}
	}
	return right, absent, all, nil
}

// same compares values; * is any, | stands between alternatives, a number is
// the size of a picture.
func (m *measure) same(want, got []string, data []byte) bool {
	if len(want) != len(got) || len(got) == 0 {
		return false
	}
	for i := range want {
		ok := want[i] == "*" || slices.Contains(strings.Split(want[i], "|"), got[i])
		if !ok && strings.HasPrefix(got[i], "@") {
			ok = strings.Contains(got[i], " "+pictureSize(want[i], data)+" bytes")
		}
		if !ok {
			return false
		}
	}
	return true
}

var token = regexp.MustCompile(`\{\{(?:b64)?jpeg:(\d+)\}\}`)

// pictureSize is the size of a picture that is named: @part small is the
// smaller of two; @type 11 is that of the element of that type.
func pictureSize(want string, data []byte) string {
	var sizes []int
	for _, s := range token.FindAllStringSubmatch(string(data), -1) {
		var n int
		fmt.Sscan(s[1], &n)
		if strings.HasPrefix(s[0], "{{b64") {
			n = n * 3 / 4
		}
		sizes = append(sizes, n)
	}
	switch {
	case len(sizes) == 0:
		return want
	case want == "@part small":
		return fmt.Sprint(slices.Min(sizes))
	case want == "@part big":
		return fmt.Sprint(slices.Max(sizes))
	case strings.HasPrefix(want, "@type "):
		at := regexp.MustCompile(`"Type":\s*"` + want[6:] + `"[^{}]*\{\{b64jpeg:(\d+)`).FindSubmatch(data)
		if at == nil {
			return "?"
		}
		var n int
		fmt.Sscan(string(at[1]), &n)
		return fmt.Sprint(n * 3 / 4)
	}
	return want
}

var recordLine = regexp.MustCompile(`(?m)^  (# )?([A-Za-z]+): .*$`)

// field runs a mapping in which all fields but one are constants, and gives
// that field of each record.
func (m *measure) field(iface *spec.Interface, f *spec.Field, source, mapping []byte, name string, data []byte, path string) []string {
	head, record, _ := strings.Cut(string(mapping), "\nrecord:\n")
	record = recordLine.ReplaceAllStringFunc(record, func(line string) string {
		field := strings.TrimSpace(strings.SplitN(strings.TrimPrefix(strings.TrimSpace(line), "# "), ":", 2)[0])
		i := iface.FieldIndex(field)
		if i < 0 || field == f.Name || strings.HasPrefix(strings.TrimSpace(line), "#") {
			return line
		}
		return "  " + field + ": " + constantOf(&iface.Fields[i])
	})
	rules, _ := transform.Load(transform.Options{Catalogue: m.catalogue, Tables: m.tables, Packs: []transform.Pack{{FS: fstest.MapFS{
		"measured/source.yaml": {Data: source}, "measured/event.yaml": {Data: []byte(head + "\nrecord:\n" + record)},
	}}}})
	if rules == nil {
		return nil
	}
	q, body, err := transform.ReadInput(name, data)
	if err != nil {
		return nil
	}
	q.Remote = "192.0.2.1"
	if path != "" {
		q.Path = path
	}
	if found, params, ok := rules.Match(q.Method, q.Path); ok && found != nil {
		q.Params = params
	}
	var res transform.Result
	rules.ApplyBody(rules.Sources[0], q, body, &res, nil)
	var out []string
	for i := range res.Records {
		var doc map[string]any
		if json.Unmarshal(res.Records[i].Describe(), &doc) != nil {
			return nil
		}
		out = append(out, fmt.Sprint(doc[f.Name]))
	}
	return out
}

// constantOf is a value that the standard takes.
func constantOf(f *spec.Field) string {
	switch {
	case f.Format == spec.GF005:
		return fmt.Sprintf("'picture(%q)'", base64.StdEncoding.EncodeToString(event.SyntheticJPEG(0, 0)))
	case f.Format == spec.GF004:
		return `'"2026-01-02 03:04:05"'`
	case f.Format == spec.GF001 && f.Name == "wd":
		return `'"31.895616"'`
	case f.Format == spec.GF001:
		return `'"117.302269"'`
	case f.Shape == spec.Plate:
		return `'"皖A00000"'`
	case f.Shape == spec.IP:
		return `'"192.0.2.1"'`
	case f.Dict != nil && len(f.Dict.Entries) > 0:
		return fmt.Sprintf("'%q'", f.Dict.Entries[0].Code)
	case f.Name == "gateNo", f.Name == "accessControlNo":
		return fmt.Sprintf("'%q'", gate)
	case f.Max == f.Min && f.Max > 0:
		return fmt.Sprintf("'%q'", (area + "00000000000000")[:f.Max])
	}
	return `'"1"'`
}
