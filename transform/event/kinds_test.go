package event

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

type object = map[string]any

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func gbk(s string) string {
	out, err := simplifiedchinese.GBK.NewEncoder().String(s)
	if err != nil {
		panic(err)
	}
	return out
}

// jpeg is a small picture, and picture64 the Base64 of one that is lifted.
const jpeg = "\xFF\xD8\xFF\xE0pic\xFF\xD9"

var picture64 = "/9j/" + strings.Repeat("QUJD", 400)

// kindCase is a body as a device of some family sends it.
type kindCase struct {
	name, contentType, encoding, method string
	body                                string
	layout                              Layout
	kind                                Kind
	want                                any
	notes                               string
	parts                               string // name/file/id/type size, by TestKinds
}

// kindCases are shapes that devices send, in all their dirt. They are seeds of
// the fuzz targets too.
func kindCases() []kindCase {
	form := "multipart/form-data; boundary=b"
	json, pic := "--b\nContent-Disposition: form-data; name=\"event\"\nContent-Type: application/json\n\n{\"a\":1}\n", "--b\nContent-Disposition: form-data; name=\"Picture\"; filename=\"Picture.jpg\"\nContent-Type: image/jpeg\n\n"+jpeg+"\n"
	end := "--b--\n"
	return []kindCase{
		// JSON
		{name: "json: a list", body: `[{"a":1},{"a":2}]`, kind: JSON, want: []any{object{"a": 1}, object{"a": 2}}},
		{name: "json: lines", body: "{\"a\":1,\"b\":[{}]}\r\n{\"a\":2}\r\n\x00", kind: JSON, want: []any{object{"a": 1, "b": []any{object{}}}, object{"a": 2}}, notes: "2 JSON documents one behind the other became a list"},
		{name: "json: documents with NUL between", body: "{\"a\":\"x\"}\x00{\"a\":\"" + long + "\"}\x00", kind: JSON, want: []any{object{"a": "x"}, object{"a": "@text 1600 bytes"}}, notes: "2 JSON documents one behind the other became a list"},
		{name: "json: lists one behind the other", body: "[1]\n[2]", kind: JSON, want: nil, notes: "error: broken json at byte 4: text behind the end of the document"},
		{name: "json: text around", contentType: "text/plain", body: "event=\n{\"a\":\"}\"}\n-- end", kind: KeyValue, want: object{"event": object{"a": "}"}}, notes: "1 lines are not of the form name=value and were left out"},
		{name: "json: a call around", body: "callback({\"a\":{\"b\":2}});", kind: JSON, want: object{"a": object{"b": 2}}, notes: "11 bytes of text around the JSON were left out"},
		{name: "json: text behind", body: "{\"a\":1}\n0\r\n\r\n", kind: JSON, want: object{"a": 1}, notes: "1 bytes of text around the JSON were left out"},
		{name: "json: under a form's type", contentType: "application/x-www-form-urlencoded", body: `{"a":"1&b=2"}`, kind: JSON, want: object{"a": "1&b=2"}},
		{name: "json: under the type of multipart", contentType: form, body: `{"a":1}`, kind: JSON, want: object{"a": 1}},
		{name: "json: byte order mark in UTF-16", body: utf16LE(`{"a":"东门"}`), kind: JSON, want: object{"a": "东门"}, notes: "the text was UTF-16, not UTF-8"},
		{name: "json: 41 digits", body: `{"picName":12345678901234567890123456789012345678901}`, kind: JSON, want: object{"picName": "12345678901234567890123456789012345678901"}},
		{name: "nothing, of a GET", method: "GET", body: "", kind: Empty, want: object{}},
		{name: "nothing, as the source says", body: "\r\n", layout: Layout{Kind: Empty}, kind: Empty, want: object{}},

		// multipart
		{name: "multipart: wrong Content-Length", contentType: form, body: crlf("--b\nContent-Length: 3\n\n{\"a\":1}\n--b\nContent-Type: image/jpeg\nContent-Length: 4\n\n" + jpeg + "\n" + end), kind: Multipart, want: object{"a": 1}, parts: "///image/jpeg 9"},
		{name: "multipart: right Content-Length, the delimiter in the picture", contentType: form, body: crlf("--b\n\n{\"a\":1}\n--b\nContent-Length: 19\n\n"+jpeg+"\n--b\n") + jpeg[:3] + crlf("\n"+end), kind: Multipart, want: object{"a": 1}, parts: "/// 19"},
		{name: "multipart: bare LF, no name, octet-stream", contentType: form, body: "--b\n\n{\"a\":1}\n--b\nContent-Disposition: form-data; filename=\"vehiclePicture.jpg\"\nContent-Type: application/octet-stream\n\n" + jpeg + "\n" + end, kind: Multipart, want: object{"a": 1}, parts: "/vehiclePicture.jpg//application/octet-stream 9"},
		{name: "multipart: boundary with its dashes", contentType: "multipart/form-data; boundary=--b", body: crlf(json + pic + end), kind: Multipart, want: object{"a": 1}, parts: "Picture/Picture.jpg//image/jpeg 9"},
		{name: "multipart: boundary with more dashes than the delimiter", contentType: "multipart/form-data; boundary=----b", body: crlf(json + pic + end), kind: Multipart, want: object{"a": 1}, parts: "Picture/Picture.jpg//image/jpeg 9"},
		{name: "multipart: boundary in an open quote", contentType: `multipart/form-data; boundary="b`, body: crlf(json + end), kind: Multipart, want: object{"a": 1}},
		{name: "multipart: boundary in single quotes, parameters behind", contentType: `Multipart/Form-Data; BOUNDARY='b'; charset=utf-8`, body: crlf(json + end), kind: Multipart, want: object{"a": 1}},
		{name: "multipart: the boundary is a piece of the delimiter", contentType: "multipart/form-data; boundary=MIME", body: crlf("--MIME_boundary\n\n{\"a\":1}\n--MIME_boundary\n\n" + jpeg + "\n--MIME_boundary--\n"), kind: Multipart, want: object{"a": 1}, parts: "/// 9"},
		{name: "multipart: another boundary than the header's", contentType: "multipart/form-data; boundary=zz", body: crlf(json + end), kind: Multipart, want: object{"a": 1}},
		{name: "multipart: no content type at all", body: crlf(json + end), kind: Multipart, want: object{"a": 1}},
		{name: "multipart: text before the first delimiter", contentType: form, body: crlf("This is a multipart message.\n" + json + end), kind: Multipart, want: object{"a": 1}},
		{name: "multipart: no line break before the delimiters", contentType: "multipart/form-data; boundary=boundary0", body: "--boundary0\r\n\r\n{\"a\":1}--boundary0\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg + "--boundary0--", kind: Multipart, want: object{"a": 1}, notes: "no line break stands before a delimiter", parts: "///image/jpeg 9"},
		{name: "multipart: a part without header and empty line", contentType: form, body: crlf("--b\n{\"a\":1}\n" + pic + end), kind: Multipart, want: object{"a": 1}, parts: "Picture/Picture.jpg//image/jpeg 9"},
		{name: "multipart: the picture is cut off", contentType: form, body: crlf(json+"--b\nContent-Type: image/jpeg\nContent-Length: 900\n\n") + jpeg[:6], kind: Multipart, want: object{"a": 1}, notes: "the closing delimiter is missing", parts: "///image/jpeg 6"},
		{name: "multipart: names in GBK, unquoted, with a path", contentType: form, body: crlf(json + "--b\nContent-Disposition: form-data; name=" + gbk("抓拍图") + "; filename=C:\\pic 1.jpg\n\n" + jpeg + "\n" + end), kind: Multipart, want: object{"a": 1}, parts: `抓拍图/C:\pic 1.jpg// 9`},
		{name: "multipart: Content-ID, repeated names", contentType: form, body: crlf(json + "--b\nContent-Disposition: form-data; name=\"event\"\nContent-ID: <face>\n\n" + jpeg + "\n--b\nContent-Disposition: form-data; name=\"event\"\nContent-ID: bg\n\n" + jpeg + "\n" + end), kind: Multipart, want: object{"a": 1}, parts: "event//face/ 9 event//bg/ 9"},
		{name: "multipart: the event's type is that of a picture", contentType: form, body: crlf("--b\nContent-Type: image/jpeg\n\n{\"a\":1}\n" + end), kind: Multipart, want: object{"a": 1}},
		{name: "multipart: fields beside the event", contentType: form, body: crlf("--b\nContent-Disposition: form-data; name=\"sn\"\n\nS1\n" + json + pic + end), kind: Multipart, want: object{"a": 1, "@parts": object{"sn": "S1"}}, parts: "sn/// 2 Picture/Picture.jpg//image/jpeg 9"},
		{name: "multipart: a second document of another name", contentType: form, body: crlf(json + "--b\nContent-Disposition: form-data; name=\"result\"\n\n<R><x>1</x></R>\n" + end), layout: Layout{Unwrap: []string{"R"}}, kind: Multipart, want: object{"a": 1, "@parts": object{"result": object{"x": "1"}}}},
		{name: "multipart: the source says which part", contentType: form, body: crlf(json + "--b\nContent-Disposition: form-data; name=\"result\"\n\n{\"x\":1}\n" + end), layout: Layout{Parts: []string{"none", "result"}}, kind: Multipart, want: object{"x": 1, "@parts": object{"event": object{"a": 1}}}},
		{name: "multipart: documents of one name", contentType: form, body: crlf("--b\n\n{\"a\":1}\n--b\n\n{\"a\":2}\n" + end), kind: Multipart, want: []any{object{"a": 1}, object{"a": 2}}, notes: "2 parts that are documents became a list"},
		{name: "multipart: a second document that is cut off", contentType: form, body: crlf(json + "--b\nContent-Disposition: form-data; name=\"result\"\n\n{\"x\":\n" + end), kind: Multipart, want: object{"a": 1, "@parts": object{"result": `{"x":`}}, notes: `part "result" is left as it is: broken json: part 2 is cut off or broken`, parts: "result/// 5"},
		{name: "multipart: the second of two events is cut off", contentType: form, body: crlf("--b\n\n{\"a\":1}\n--b\n\n{\"a\":\n" + end), kind: Multipart, notes: "error: broken json: part 2 is cut off or broken"},
		{name: "multipart: fields only, one of them a long Base64", contentType: form, body: crlf("--b\nContent-Disposition: form-data; name=\"sn\"\n\nS1\n--b\nContent-Disposition: form-data; name=\"img\"\n\n" + picture64 + "\n--b\nContent-Disposition: form-data; name=\"door\"\n\n" + gbk("东门") + "\n" + end), kind: Multipart, want: object{"sn": "S1", "img": "@text 1604 bytes", "door": "东门"}, notes: noteGB, parts: "sn/// 2 img/// 1604 door/// 4"},
		{name: "multipart: Base64 by transfer encoding", contentType: form, body: crlf("--b\nContent-Transfer-Encoding: base64\n\neyJhIjoxfQ==\n" + end), kind: Multipart, want: object{"a": 1}},
		{name: "multipart: a heartbeat", contentType: "multipart/x-mixed-replace; boundary=myboundary", body: crlf("--myboundary\nContent-Type: text/plain\nContent-Length: 9\n\nHeartbeat\n"), kind: Multipart, want: object{}, notes: "the closing delimiter is missing", parts: "///text/plain 9"},
		{name: "multipart: key=value text and a picture", contentType: "multipart/x-mixed-replace; boundary=myboundary", body: crlf("--myboundary\nContent-Type: text/plain\nContent-Length: 0\n\nEvents[0].EventBaseInfo.Code=FaceRecognition\nEvents[0].Data.BoundingBox[0]=8\nEvents[0].Data.BoundingBox[1]=9\n--myboundary\nContent-Type: image/jpeg\n\n" + jpeg + "\n--myboundary--\n"), kind: Multipart,
			want:  object{"Events": []any{object{"EventBaseInfo": object{"Code": "FaceRecognition"}, "Data": object{"BoundingBox": []any{"8", "9"}}}}},
			parts: "///image/jpeg 9"},
		{name: "multipart: Code= and a heartbeat between", contentType: "multipart/mixed; boundary=myboundary", body: crlf("--myboundary\nContent-Type: text/plain\n\nHeartbeat\n--myboundary\nContent-Type: text/plain\n\nCode=AccessControl;action=Pulse;index=0;data={\n   \"UserID\" : \"01\"\n}\n\n--myboundary--"), kind: Multipart,
			want: object{"Code": "AccessControl", "action": "Pulse", "index": "0", "data": object{"UserID": "01"}}, parts: "///text/plain 9"},

		// XML
		{name: "xml: GBK, and nothing says so", body: "<A><b>" + gbk("东门岗亭") + "</b></A>", kind: XML, want: object{"A": object{"b": "东门岗亭"}}, notes: noteGB},
		{name: "xml: GBK, and the declaration says UTF-8", body: `<?xml version="1.0" encoding="UTF-8"?><A><b>` + gbk("东门岗亭") + "</b></A>", kind: XML, want: object{"A": object{"b": "东门岗亭"}}, notes: noteGB},
		{name: "xml: UTF-8, and the declaration says GB2312", body: `<?xml version='1.0' encoding='gb2312' ?><A><b>东门岗亭</b></A>`, kind: XML, want: object{"A": object{"b": "东门岗亭"}}, notes: `the text says that it is "gb2312", and is UTF-8`},
		{name: "xml: GBK that is valid UTF-8 too", body: `<?xml version="1.0" encoding="GBK"?><A><b>` + gbk("拢") + "</b></A>", kind: XML, want: object{"A": object{"b": "拢"}}},
		{name: "xml: a later element is not closed", body: "<A><b>1</b><c>2<d>3</d></A>", kind: XML, want: object{"A": object{"b": "1", "c": object{"d": "3", "#text": "2"}}}, notes: `the XML is broken: element "c" is not closed`},
		{name: "xml: an end tag closes nothing", body: "<A><b>1</b></x></A>", kind: XML, want: object{"A": object{"b": "1"}}, notes: `the XML is broken: end tag "x" closes nothing`},
		{name: "xml: cut off in a tag", body: `<A v="1"><b>1</b><c x="`, layout: Layout{Unwrap: []string{"A"}}, kind: XML, want: object{"@v": "1", "b": "1", "c": ""}, notes: "the XML ends too early or is broken: an attribute's value has no end at byte 23; the XML ends too early: element \"A\" is not closed"},
		{name: "xml: prefixes, CDATA, entities, comments, a document type", body: "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x \"y\">]><ns1:A xmlns:ns1=\"u\" ns1:v='a&quot;b'><!-- <z/> --><ns1:b>&lt;&#19996;&#x95E8;&x;&amp;</ns1:b><c><![CDATA[<1>]]></c><d t = \"1\" >x</d></ns1:A>", kind: XML,
			want: object{"A": object{"@v": `a"b`, "b": "<东门&x;&", "c": "<1>", "d": object{"@t": "1", "#text": "x"}}}},
		{name: "xml: a picture is no copy", body: "<A><img>\n" + picture64 + "\n</img></A>", kind: XML, want: object{"A": object{"img": "@text 1604 bytes"}}},
		{name: "xml: text before it", contentType: "text/xml", body: "1f4\r\n<A>1</A>", kind: XML, want: object{"A": "1"}, notes: "5 bytes stand before the XML"},
		{name: "xml: two roots", body: "<A>1</A><A>2</A>", kind: XML, want: object{"A": []any{"1", "2"}}},
		{name: "xml: many children, one of them twice", body: "<A>" + many("<c%d>%[1]d</c%[1]d>", 40) + "<c7>x</c7></A>", kind: XML, want: object{"A": manyWant(40)}},

		// forms
		{name: "form: a JSON field", contentType: "application/x-www-form-urlencoded", body: "sn=S1&event=%7B%22a%22%3A%221%262%22%2C%22t%22%3A%2210%3A00%2B08%3A00%22%7D&x=a+b&x=%E4%B8%9C&empty", kind: Form,
			want: object{"sn": "S1", "event": object{"a": "1&2", "t": "10:00+08:00"}, "x": []any{"a b", "东"}, "empty": ""}},
		{name: "form: a JSON field, unwrapped", contentType: "application/x-www-form-urlencoded", body: "event=%7B%22a%22%3A1%7D", layout: Layout{Unwrap: []string{"event"}}, kind: Form, want: object{"a": 1}},
		{name: "form: JSON that nobody encoded", contentType: "application/x-www-form-urlencoded", body: `sn=S1&event={"a":"x&y=1","t":"10:00+08:00"}&z=1`, kind: Form, want: object{"sn": "S1", "event": object{"a": "x&y=1", "t": "10:00+08:00"}, "z": "1"}},
		{name: "form: Base64 that nobody encoded", contentType: "application/x-www-form-urlencoded", body: "img=/9j/a+b/" + strings.Repeat("QU+D", 300), kind: Form, want: object{"img": "@text 1208 bytes"}, notes: `the Base64 in field "img" was not percent-encoded: its + had become spaces`},
		{name: "form: the whole document as a name", contentType: "application/x-www-form-urlencoded", body: "%7B%22a%22%3A1%7D=", kind: Form, want: object{"a": 1}},
		{name: "form: no content type, GBK", body: "sn=S1&door=%B6%AB%C3%C5", kind: Form, want: object{"sn": "S1", "door": "东门"}, notes: noteGB},
		{name: "form: a field that only begins like JSON", contentType: "application/x-www-form-urlencoded", body: "a=%7Bx&b=%3C", kind: Form, want: object{"a": "{x", "b": "<"}, notes: `field "a" begins like json and is none`},

		// Dahua's texts
		{name: "keyvalue: Code= with ; and = in its data", body: "Code=TrafficJunction;action=Pulse;index=0;data={\r\n  \"Name\" : \"a;b=c\",\r\n  \"Big\" : 12345678901234567890,\r\n  \"Path\" : \"\\/var\\/tmp\\/1.jpg\"\r\n}\r\n\r\n", kind: KeyValue,
			want: object{"Code": "TrafficJunction", "action": "Pulse", "index": "0", "data": object{"Name": "a;b=c", "Big": "12345678901234567890", "Path": "/var/tmp/1.jpg"}}},
		{name: "keyvalue: Code= without data", contentType: "text/plain", body: "Code=VideoMotion;action=Stop;index=0\r\n", kind: KeyValue, want: object{"Code": "VideoMotion", "action": "Stop", "index": "0"}},
		{name: "keyvalue: several events, a picture in one", body: "Code=A;action=Start;index=0;data={\"x\":{\"y\":[1]}}\nCode=B;action=Stop;index=1;data={\"img\":\"" + picture64 + "\"}", kind: KeyValue,
			want:  []any{object{"Code": "A", "action": "Start", "index": "0", "data": object{"x": object{"y": []any{1}}}}, object{"Code": "B", "action": "Stop", "index": "1", "data": object{"img": "@text 1604 bytes"}}},
			notes: "2 events one behind the other became a list"},
		{name: "keyvalue: Code= under a form's type, in GBK", contentType: "application/x-www-form-urlencoded", body: "Code=A;action=Pulse;index=0;data={\"n\":\"" + gbk("东门") + "\"}", kind: KeyValue, want: object{"Code": "A", "action": "Pulse", "index": "0", "data": object{"n": "东门"}}, notes: noteGB},
		{name: "keyvalue: indexes with gaps, lists of lists, a value with =", body: crlf("Events[3].Code=A\nEvents[3].Region[0][0]=1\nEvents[3].Region[0][1]=2\nEvents[3].Region[1][0]=3\nEvents[7].Url=http://x/?a=b\nfound=2\nFilter[=x\n"), kind: KeyValue,
			want: object{"Events": []any{object{"Code": "A", "Region": []any{[]any{"1", "2"}, []any{"3"}}}, object{"Url": "http://x/?a=b"}}, "found": "2", "Filter[": "x"}},
		{name: "keyvalue: JSON over several lines", body: "sn=S1\ndata={\n \"a\": 1,\n \"b\": [2]\n}\nz=1", kind: KeyValue, want: object{"sn": "S1", "data": object{"a": 1, "b": []any{2}}, "z": "1"}},
		{name: "keyvalue: options on one line", body: "DeviceType=acc,~DeviceName=F20,IPAddress=192.0.2.1,Note=a,b", kind: KeyValue, want: object{"DeviceType": "acc", "~DeviceName": "F20", "IPAddress": "192.0.2.1", "Note": "a,b"}},
		{name: "keyvalue: twice, and a line that is none", body: "a=1\na=2\nhello\n", kind: KeyValue, want: object{"a": "2"}, notes: `"a" is given more than once: the last counts; 1 lines are not of the form name=value and were left out`},

		// ZKTeco's rows
		{name: "rows: ATTLOG", contentType: "text/plain", body: "1001\t2026-01-02 03:04:05\t0\t1\t0\r\n01002\t2026-01-02 03:04:06\t0\t15\t\r\n", kind: Rows,
			want: object{"rows": []any{[]any{"1001", "2026-01-02 03:04:05", "0", "1", "0"}, []any{"01002", "2026-01-02 03:04:06", "0", "15", ""}}}},
		{name: "rows: OPERLOG with users in GBK", contentType: "application/x-www-form-urlencoded", body: "OPLOG 4\t0\t2026-01-02 03:04:05\t0\nUSER PIN=1001\tName=" + gbk("住户甲") + "\tPri=0\tCard=\n", kind: Rows,
			want: object{"rows": []any{[]any{"OPLOG", "4", "0", "2026-01-02 03:04:05", "0"}, object{"@row": "USER", "PIN": "1001", "Name": "住户甲", "Pri": "0", "Card": ""}}}, notes: noteGB},
		{name: "rows: named cells, a picture", body: "time=2026-01-02 03:04:05\tpin=1001\tevent=0\nBIOPHOTO PIN=1001\tSize=1604\tContent=" + picture64 + "\n", kind: Rows,
			want: object{"rows": []any{object{"time": "2026-01-02 03:04:05", "pin": "1001", "event": "0"}, object{"@row": "BIOPHOTO", "PIN": "1001", "Size": "1604", "Content": "@text 1604 bytes"}}}},
		{name: "rows: one cell, as the source says", body: "1001", layout: Layout{Kind: Rows}, kind: Rows, want: object{"rows": []any{[]any{"1001"}}}},
		{name: "photo: lines, NUL, JPEG", contentType: "application/octet-stream", body: "PIN=20260102030405-1001.jpg\nSN=S1\nsize=9\nCMD=uploadphoto\x00" + jpeg, kind: KeyValue, want: object{"PIN": "20260102030405-1001.jpg", "SN": "S1", "size": "9", "CMD": "uploadphoto"}, parts: "picture///image/jpeg 9"},

		// pictures, texts
		{name: "picture: alone, under another type", contentType: "application/json", body: jpeg, kind: Picture, want: object{}, parts: "///image/jpeg 9"},
		{name: "text", contentType: "text/plain", body: "Heartbeat\r\n", kind: Text, want: object{"text": "Heartbeat"}},
		{name: "text: JSON, if the source says so", body: `{"a":1}`, layout: Layout{Kind: Text}, kind: Text, want: object{"text": `{"a":1}`}},

		// compressed
		{name: "gzip", encoding: "gzip", body: deflated("gzip", `{"a":1}`), kind: JSON, want: object{"a": 1}},
		{name: "deflate: zlib", encoding: "deflate", body: deflated("zlib", "Code=A;action=Pulse;index=0"), kind: KeyValue, want: object{"Code": "A", "action": "Pulse", "index": "0"}},
		{name: "deflate: raw", encoding: "Deflate", body: deflated("raw", `{"a":"`+picture64+`"}`), kind: JSON, want: object{"a": "@text 1604 bytes"}},
		{name: "gzip: twice", encoding: "gzip, gzip", body: deflated("gzip", deflated("gzip", `{"a":1}`)), kind: JSON, want: object{"a": 1}},
		{name: "gzip: without a header", body: deflated("gzip", `{"a":1}`), kind: JSON, want: object{"a": 1}, notes: "the body was gzip, and no Content-Encoding said so"},
		{name: "gzip: only the header", encoding: "gzip", body: `{"a":1}`, kind: JSON, want: object{"a": 1}, notes: "the body is not compressed, though its Content-Encoding is gzip"},
		{name: "gzip: cut off behind the document", encoding: "gzip", body: deflated("gzip", `{"a":1}`)[:len(deflated("gzip", `{"a":1}`))-4], kind: JSON, want: object{"a": 1}, notes: "the gzip body is cut off: 7 bytes of it could be read"},
	}
}

func many(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func manyWant(n int) object {
	want := object{}
	for i := range n {
		want[fmt.Sprint("c", i)] = fmt.Sprint(i)
	}
	want["c7"] = []any{"7", "x"}
	return want
}

func utf16LE(s string) string {
	out, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(s)
	if err != nil {
		panic(err)
	}
	return out
}

func deflated(how, s string) string {
	var b bytes.Buffer
	var w io.WriteCloser
	switch how {
	case "gzip":
		w, _ = gzip.NewWriterLevel(&b, flate.BestSpeed)
	case "zlib":
		w, _ = zlib.NewWriterLevel(&b, flate.BestSpeed)
	default:
		w, _ = flate.NewWriter(&b, flate.BestSpeed)
	}
	_, _ = io.WriteString(w, s)
	w.Close()
	return b.String()
}

func (c *kindCase) decode(d *Decoder, ev *Event) (any, error) {
	ev.Request = Request{Method: c.method, ContentType: c.contentType}
	if c.encoding != "" {
		ev.Request.Header = map[string]string{"content-encoding": c.encoding}
	}
	if err := d.Decode(ev, c.contentType, []byte(c.body), c.layout); err != nil {
		return nil, err
	}
	v, err := ev.Value(ev.Doc)
	if err != nil {
		return nil, err
	}
	return plain(v), nil
}

// Each body is decoded by a fresh event and by one that was used for all
// before it, and gives the same.
func TestKinds(t *testing.T) {
	d, used := NewDecoder(), new(Event)
	for _, c := range kindCases() {
		t.Run(c.name, func(t *testing.T) {
			for _, ev := range []*Event{new(Event), used} {
				got, err := c.decode(d, ev)
				notes := strings.Join(ev.Notes, "; ")
				if err != nil {
					notes = "error: " + err.Error()
				}
				if ev.Kind != c.kind {
					t.Errorf("kind %q, want %q", ev.Kind, c.kind)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("document (-want +got):\n%s", diff)
				}
				if notes != c.notes && (err == nil || c.notes == "" || !strings.HasPrefix(notes, c.notes)) {
					t.Errorf("notes %q, want %q", notes, c.notes)
				}
				var parts []string
				for _, p := range ev.Parts {
					parts = append(parts, fmt.Sprintf("%s/%s/%s/%s %d", p.Name, p.Filename, p.ContentID, p.Type, ev.Blobs[p.Blob].Len()))
				}
				if got := strings.Join(parts, " "); err == nil && got != c.parts {
					t.Errorf("parts %q, want %q", got, c.parts)
				}
			}
		})
	}
}
