package event

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// What the families of devices send, by the shapes of their protocols; names,
// numbers, plates and pictures are invented. A shape is right if the values
// that its mapping asks for are where an integrator would look for them.
func TestFamilies(t *testing.T) {
	small, big := string(SyntheticJPEG(3000, 1)), string(SyntheticJPEG(9000, 2))
	small64, big64 := base64.StdEncoding.EncodeToString([]byte(small)), base64.StdEncoding.EncodeToString([]byte(big))
	alert := Layout{Unwrap: []string{"EventNotificationAlert"}}
	multi := func(boundary string, parts ...string) string {
		return crlf("--"+boundary+"\n") + strings.Join(parts, crlf("\n--"+boundary+"\n")) + crlf("\n--"+boundary+"--\n")
	}
	part := func(header, data string) string { return crlf(header+"\n\n") + data }
	for _, tt := range []struct {
		name, contentType, body string
		layout                  Layout
		values                  map[string]string // by path; a blob by its description
		parts                   map[string]int    // sizes, by what Find finds
	}{
		{"hikvision: access with picture", "multipart/form-data; boundary=MIME_boundary",
			multi("MIME_boundary",
				part("Content-Disposition: form-data; name=\"event_log\"\nContent-Type: application/json\nContent-Length: 210", `{"ipAddress":"192.0.2.31","dateTime":"2026-03-04T05:06:07+08:00","eventType":"AccessControllerEvent","AccessControllerEvent":{"majorEventType":5,"subEventType":75,"employeeNoString":"0007","serialNo":4711,"FaceRect":{"x":0.31}}}`),
				part("Content-Disposition: form-data; name=\"Picture\"; filename=\"Picture.jpg\"\nContent-Type: image/jpeg\nContent-ID: pictureImage", small)),
			alert, map[string]string{"AccessControllerEvent.employeeNoString": "0007", "AccessControllerEvent.serialNo": "4711"}, map[string]int{"Picture": 3000, "pictureImage": 3000, "Picture.jpg": 3000}},
		{"hikvision: gateway wrapper", "application/json", `{"EventNotificationAlert":{"devIndex":"D-1","eventType":"AccessControllerEvent"}}`, alert, map[string]string{"devIndex": "D-1"}, nil},
		{"hikvision: face, crop named like the event", "multipart/form-data; boundary=boundary",
			multi("boundary",
				part("Content-Disposition: form-data; name=\"faceCapture\"\nContent-Type: application/json", `{"eventType":"faceCapture","faceCapture":[{"faces":[{"contentID":"faceCapture"}]}]}`),
				part("Content-Disposition: form-data; name=\"faceCapture\"; filename=\"crop.jpg\"\nContent-ID: face", small),
				part("Content-Disposition: form-data; name=\"backgroundImage\"; filename=\"bg.jpg\"\nContent-ID: bg", big)),
			alert, map[string]string{"faceCapture.0.faces.0.contentID": "faceCapture"}, map[string]int{"faceCapture": 3000, "face": 3000, "crop": 3000, "backgroundImage": 9000, "bg": 9000}},
		{"hikvision: plate, XML and two pictures", "multipart/form-data; boundary=B",
			multi("B",
				part("Content-Disposition: form-data; name=\"anpr.xml\"; filename=\"anpr.xml\"\nContent-Type: text/xml", `<?xml version="1.0" encoding="GB2312"?>`+"\n"+`<ns1:EventNotificationAlert version="2.0" xmlns:ns1="urn:example"><ns1:eventType>ANPR</ns1:eventType><ns1:ANPR><ns1:licensePlate>`+gbk("测A00001")+`</ns1:licensePlate><vehicelRect/><pictureInfo><pId>1</pId></pictureInfo><pictureInfo><pId>2</pId></pictureInfo></ns1:ANPR></ns1:EventNotificationAlert>`),
				part("Content-Disposition: form-data; name=\"licensePlatePicture.jpg\"; filename=\"licensePlatePicture.jpg\"\nContent-Type: image/jpeg", small),
				part("Content-Disposition: form-data; filename=\"detectionPicture.jpg\"\nContent-Type: application/octet-stream", big)),
			alert, map[string]string{"ANPR.licensePlate": "测A00001", "ANPR.pictureInfo.1.pId": "2", "ANPR.vehicelRect": "", "@version": "2.0"}, map[string]int{"licensePlatePicture": 3000, "detectionPicture": 9000}},
		{"hikvision: a comparison in two documents", "multipart/form-data; boundary=B",
			multi("B",
				part("Content-Disposition: form-data; name=\"mixedTargetDetection\"", `{"eventType":"mixedTargetDetection","CaptureResult":[]}`),
				part("Content-Disposition: form-data; name=\"alarmResult\"", `{"alarmResult":[{"faces":[{"identify":[{"similarity":0.93}]}]}]}`),
				part("Content-Disposition: form-data; name=\"facePic\"", small)),
			alert, map[string]string{"eventType": "mixedTargetDetection", "@parts.alarmResult.alarmResult.0.faces.0.identify.0.similarity": "0.93"}, map[string]int{"facePic": 3000}},
		{"hikvision: heartbeat of an NVR on its stream", "multipart/mixed; boundary=--boundary", "--boundary\nContent-Type: application/xml; charset=\"UTF-8\"\nContent-Length: 480\n\n<EventNotificationAlert version=\"2.0\"><dynChannelID/><channelID/>\n<activePostCount>0</activePostCount><eventType>videoloss</eventType></EventNotificationAlert>\n",
			alert, map[string]string{"channelID": "", "activePostCount": "0", "eventType": "videoloss"}, nil},
		{"hikvision: a plate that is no number", "application/xml", `<Plates version="2.0"><Plate><picName>2026030405060712345678901</picName><captureTime>20260304T0506070000</captureTime></Plate></Plates>`,
			Layout{Unwrap: []string{"Plates"}}, map[string]string{"Plate.picName": "2026030405060712345678901"}, nil},
		{"isecure: several events", "application/json;charset=UTF-8", `{"method":"OnEventNotify","params":{"ability":"event_acs","events":[{"eventType":196893,"data":{"ExtEventPersonNo":"0"}},{"eventType":198914,"eventDetails":[{"eventType":1644175361}]}]}}`,
			Layout{}, map[string]string{"params.events.1.eventDetails.0.eventType": "1644175361"}, nil},
		{"dahua: ITSAPI under no type", "", `{"Picture":{"NormalPic":{"Content":"` + big64 + `","PicName":"1.jpg"},"CutoutPic":{"Content":"` + small64 + `"},"Plate":{"PlateNumber":"测A00001"},"SnapInfo":{"AccurateTime":"2026-03-04 05:06:07.123"}}}` + "\x00",
			Layout{}, map[string]string{"Picture.NormalPic.Content": fmt.Sprintf("@text %d bytes", len(big64)), "Picture.Plate.PlateNumber": "测A00001"}, nil},
		{"dahua: ITSAPI in GB2312", "application/json", gbk(`{"Picture":{"Plate":{"PlateNumber":"测A00001","PlateColor":"蓝"}}}`), Layout{}, map[string]string{"Picture.Plate.PlateNumber": "测A00001"}, nil},
		{"dahua: picture upload with heartbeats", "multipart/mixed; boundary=myboundary",
			multi("myboundary", part("Content-Type: text/plain", "Heartbeat"), part("Content-Type: application/json", `{"Channel":0,"TIme":"2026-03-04 05:06:07","Events":[{"Code":"AccessControl","Data":{"UserID":"0007","RecNo":12}}]}`), part("Content-Type: image/jpeg\nContent-Length: 9000", big)),
			Layout{}, map[string]string{"Events.0.Data.UserID": "0007", "TIme": "2026-03-04 05:06:07"}, map[string]int{"image/jpeg": 9000}},
		{"dahua: a stream's part", "text/plain", "Code=TrafficJunction;action=Pulse;index=0;data={\n   \"Object\" : { \"BoundingBox\" : [ 2000, 2928, 2768, 3616 ], \"ExtraPlateNumber\" : null, \"Text\" : \"x;y=z\" },\n   \"TrafficCar\" : { \"PlateNumber\" : \"A00001\" }, \"UTC\" : 1785762846\n}\n",
			Layout{}, map[string]string{"data.TrafficCar.PlateNumber": "A00001", "data.Object.BoundingBox.3": "3616", "data.Object.Text": "x;y=z", "action": "Pulse"}, nil},
		{"dahua: snapshots by lines", "multipart/x-mixed-replace; boundary=myboundary",
			multi("myboundary", part("Content-Type: text/plain\nContent-Length:0", crlf("Events[0].EventBaseInfo.Code=FaceRecognition\nEvents[0].UTC=2026-03-04 05:06:07\nEvents[0].Candidates[0].Person.ID=P-1\nEvents[0].Candidates[1].Person.ID=P-2")), part("Content-Type: image/jpeg\nContent-Length: 9000", big)),
			Layout{}, map[string]string{"Events.0.Candidates.1.Person.ID": "P-2", "Events.0.UTC": "2026-03-04 05:06:07"}, map[string]int{"image/jpeg": 9000}},
		{"dahua: record finder", "text/plain", crlf("totalCount=1\nfound=1\nrecords[0].CardName=X\nrecords[0].CreateTime=1785762846\nrecords[0].RecNo=12\n"), Layout{}, map[string]string{"records.0.RecNo": "12", "found": "1"}, nil},
		{"uniview: passage", "application/json", "{\"Reference\":\"/LAPI\",\"Seq\":1,\"LibMatInfoList\":[{\"MatchStatus\":1,\"MatchPersonInfo\":{\"IdentityNo\":\"\"}}],\"FaceInfoList\":[{\"PanoImage\":{\"Size\":9000,\"Data\":\"" + big64 + "\"}}]}\r\n\r\n", Layout{}, map[string]string{"LibMatInfoList.0.MatchStatus": "1", "FaceInfoList.0.PanoImage.Data": fmt.Sprintf("@text %d bytes", len(big64))}, nil},
		{"gat1400: faces under its own type", "application/VIID+JSON;charset=utf-8", `{"FaceListObject":{"FaceObject":[{"FaceID":"340102000113200000010220260304050607000010600001","SubImageList":{"SubImageInfoObject":[{"Type":"14","Data":"` + big64 + `"},{"Type":"11","Data":"` + small64 + `"}]}}]}}`,
			Layout{}, map[string]string{"FaceListObject.FaceObject.0.SubImageList.SubImageInfoObject.1.Type": "11"}, nil},
		{"vzenith: JSON of odd type, percent in a name", "application/Json", `{"AlarmInfoPlate":{"result":{"PlateResult":{"imagePath":"%2Fmmc%2F%D4%C1.jpg","license":"_无_","confidence":0}}}}`, Layout{}, map[string]string{"AlarmInfoPlate.result.PlateResult.imagePath": "%2Fmmc%2F%D4%C1.jpg", "AlarmInfoPlate.result.PlateResult.license": "_无_"}, nil},
		{"vzenith: a form with its JSON", "application/x-www-form-urlencoded; charset=gbk", "type=online&plate_num=%B2%E2A00001&picture=" + strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(big64), Layout{}, map[string]string{"plate_num": "测A00001", "picture": fmt.Sprintf("@text %d bytes", len(big64))}, nil},
		{"zkteco: attendance", "text/plain", "0007\t2026-03-04 05:06:07\t0\t15\t0\t0\n0008\t2026-03-04 05:06:09\t0\t1\t0\t0\n", Layout{}, map[string]string{"rows.1.0": "0008", "rows.0.3": "15"}, nil},
		{"zkteco: events of a controller", "application/push;charset=UTF-8", "time=2026-03-04 05:06:07\tpin=7\tcardno=0\teventaddr=1\tevent=0\tinoutstatus=0\tverifytype=15\tindex=31\r\n", Layout{}, map[string]string{"rows.0.pin": "7", "rows.0.verifytype": "15"}, nil},
		{"zkteco: photo", "application/octet-stream", "PIN=20260304050607-7.jpg\nSN=S-1\nsize=9000\nCMD=uploadphoto\x00" + big, Layout{}, map[string]string{"PIN": "20260304050607-7.jpg", "CMD": "uploadphoto"}, map[string]int{"picture": 9000, "image/jpeg": 9000}},
		{"zkteco: registration", "text/plain", "DeviceType=acc,~DeviceName=X-1,FirmVer=Ver 1.0,IPAddress=192.0.2.9", Layout{}, map[string]string{"~DeviceName": "X-1"}, nil},
		{"near the standard: data URIs", "application/json; charset=utf-8", `{"snapNo":"34010200011321000001","snapBigImage":"data:image/png;base64,` + big64 + `"}`, Layout{}, map[string]string{"snapBigImage": fmt.Sprintf("@text %d bytes", len(big64)+22)}, nil},
		{"no name: hyphens", "text/html", "\xEF\xBB\xBF{\"device-id\":\"D1\",\"ip-addr\":\"192.0.2.9\"}", Layout{}, map[string]string{"device-id": "D1"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := new(Event)
			if err := NewDecoder().Decode(ev, tt.contentType, []byte(tt.body), tt.layout); err != nil {
				t.Fatal(err)
			}
			v, err := ev.Value(ev.Doc)
			if err != nil {
				t.Fatal(err)
			}
			for path, want := range tt.values {
				if got := at(plain(v), strings.Split(path, ".")); got != want {
					t.Errorf("%s: got %q, want %q in %v", path, got, want, plain(v))
				}
			}
			for name, size := range tt.parts {
				if b := ev.Find(name); b == nil || b.Len() != size || PictureType(b.Data) != "image/jpeg" {
					t.Errorf("part %q: got %v, want a picture of %d bytes", name, b, size)
				}
			}
		})
	}
}

// at is the value at a path, as a text.
func at(v any, path []string) string {
	for _, step := range path {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(x) {
				return "?"
			}
			v = x[i]
		}
	}
	return fmt.Sprint(v)
}
