package main

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"yiqiao/transform/event"
)

// fleet is a number of simulated devices of one vendor. Its events have the
// shapes of real ones; its people, plates and pictures are made up.
type fleet struct {
	vendor  string
	devices int
	picture int // bytes of a picture
	people  int
}

// simEvent is one request of a simulated device.
type simEvent struct {
	device      int
	path        string
	contentType string
	body        []byte
}

// vendors of fleets, with how each makes its n-th event.
var vendors = map[string]func(f *fleet, device, n int, at time.Time) simEvent{
	"hikvision": hikvisionEvent,
	"dahua":     dahuaEvent,
	"iflytek":   iflytekEvent,
}

var vendorNames = []string{"hikvision", "dahua", "iflytek"}

// next makes event n (from 0); devices take turns.
func (f *fleet) next(n int, at time.Time) simEvent {
	device := n % f.devices
	e := vendors[f.vendor](f, device, n, at)
	e.device = device
	return e
}

const simArea = "340102001001001" // 小区编码 of all simulated devices

// The codes of simulated device i, as the registration would have given them.
func simCamera(vendor string, i int) string {
	return fmt.Sprintf("34010200011320%d%05d", 1+strings.Index("hdi", vendor[:1]), i+1)
}

func simDoor(vendor string, i int) string {
	return fmt.Sprintf("%s115%d%03d", simArea, 1+strings.Index("hdi", vendor[:1]), i+1)
}

func simGate(i int) string { return fmt.Sprintf("%s141%04d", simArea, i+1) }

func simID(vendor string, i int) string { return fmt.Sprintf("sim-%s-%02d", vendor, i+1) }

// simDevicesCSV is the device table for n devices of each vendor.
func simDevicesCSV(vendors []string, n int) string {
	var b strings.Builder
	b.WriteString("id,name,xqbm,zpjbm,mjxtbm,dzbm,ip,jd,wd,lx,fx\n")
	for _, v := range vendors {
		for i := range n {
			fmt.Fprintf(&b, "%s,模拟设备-%s-%02d,%s,%s,%s,%s,192.0.2.%d,117.%06d,31.%06d,2,1\n", simID(v, i), v, i+1, simArea, simCamera(v, i), simDoor(v, i), simGate(i), i%250+1, 302269+i, 895616+i)
		}
	}
	return b.String()
}

// simPeopleCSV is the table of n made-up people.
func simPeopleCSV(n int) string {
	var b strings.Builder
	b.WriteString("id,name,zjhm\n")
	for i := range n {
		fmt.Fprintf(&b, "%s,住户%03d,%s\n", simPerson(i), i+1, simIdentity(i))
	}
	return b.String()
}

func simPerson(i int) string { return fmt.Sprintf("P%03d", i+1) }

// simIdentity is a number of the form of an ID number whose check digit (GB
// 11643) is wrong on purpose: nobody can have it.
func simIdentity(i int) string {
	s := fmt.Sprintf("3401021990%02d%02d%03d", i%12+1, i%28+1, i%1000)
	sum := 0
	for k, w := range []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += int(s[k]-'0') * w
	}
	right := "10X98765432"[sum%11]
	if right == '5' {
		return s + "6"
	}
	return s + "5"
}

func (f *fleet) jpeg(seed int) []byte { return event.SyntheticJPEG(f.picture, byte(seed)) }

func (f *fleet) b64(seed int) string { return base64.StdEncoding.EncodeToString(f.jpeg(seed)) }

// form builds a multipart body as Hikvision devices do.
func form(parts ...[3]string) []byte {
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "--MIME_boundary\r\nContent-Disposition: form-data; name=%q%s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s\r\n",
			strings.TrimSuffix(p[0], ".jpg"), map[bool]string{true: fmt.Sprintf("; filename=%q", p[0])}[strings.HasSuffix(p[0], ".jpg")], p[1], len(p[2]), p[2])
	}
	b.WriteString("--MIME_boundary--\r\n")
	return []byte(b.String())
}

const multipartType = "multipart/form-data; boundary=MIME_boundary"

// hikvisionEvent: face terminals (people known and strangers), face cameras,
// now and then a heartbeat or a door that locks.
func hikvisionEvent(f *fleet, device, n int, at time.Time) simEvent {
	e := simEvent{path: "/hikvision/" + simID("hikvision", device), contentType: multipartType}
	iso := at.Format(time.RFC3339)
	access := func(sub int, person string) string {
		return fmt.Sprintf(`{"ipAddress":"192.0.2.%d","macAddress":"44:19:b6:00:00:%02x","channelID":1,"dateTime":%q,"activePostCount":1,"eventType":"AccessControllerEvent","eventState":"active","eventDescription":"Access Controller Event","AccessControllerEvent":{"deviceName":"Access Controller","majorEventType":5,"subEventType":%d,"cardReaderNo":1,"doorNo":1,%s"serialNo":%d,"currentVerifyMode":"faceOrFpOrCardOrPw","mask":"no","picturesNumber":1,"FaceRect":{"height":0.322,"width":0.183,"x":0.471,"y":0.492}}}`,
			device%250+1, device%256, iso, sub, person, n)
	}
	switch n % 10 {
	case 9:
		e.contentType = "application/xml"
		e.body = fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<EventNotificationAlert version="2.0" xmlns="http://www.hikvision.com/ver20/XMLSchema">
<ipAddress>192.0.2.%d</ipAddress><macAddress>44:19:b6:00:00:%02x</macAddress><channelID>1</channelID><dateTime>%s</dateTime>
<activePostCount>0</activePostCount><eventType>videoloss</eventType><eventState>inactive</eventState><eventDescription>videoloss alarm</eventDescription>
</EventNotificationAlert>`, device%250+1, device%256, iso)
	case 8:
		e.contentType, e.body = "application/json", []byte(access(22, ""))
	case 5, 6, 7:
		e.body = form([3]string{"faceCapture", "application/json", fmt.Sprintf(`{"ipAddress":"192.0.2.%d","dateTime":%q,"eventType":"faceCapture","eventState":"active","channelName":"Camera 01","faceCapture":[{"targetAttrs":{"deviceName":"IP CAMERA","faceTime":%q,"contentID":"backgroundImage"},"faces":[{"faceId":%d,"faceRect":{"height":0.194,"width":0.087,"x":0.575,"y":0.4},"contentID":"faceImage","faceScore":50}],"uid":"%d-%d"}]}`, device%250+1, iso, iso, n, at.UnixNano(), n)},
			[3]string{"faceImage.jpg", "image/jpeg", string(f.jpeg(n))}, [3]string{"backgroundImage.jpg", "image/jpeg", string(f.jpeg(n + 1))})
	case 4: // a stranger
		e.body = form([3]string{"AccessControllerEvent", "application/json", access(75, "")}, [3]string{"Picture.jpg", "image/jpeg", string(f.jpeg(n))})
	default:
		person := fmt.Sprintf(`"employeeNoString":%q,`, simPerson(n%f.people))
		e.body = form([3]string{"AccessControllerEvent", "application/json", access(75, person)}, [3]string{"Picture.jpg", "image/jpeg", string(f.jpeg(n))})
	}
	return e
}

// dahuaEvent: gate cameras (ITSAPI) and door terminals.
func dahuaEvent(f *fleet, device, n int, at time.Time) simEvent {
	id := simID("dahua", device)
	e := simEvent{contentType: "application/json"}
	local := at.Format(time.DateTime)
	switch n % 10 {
	case 9:
		e.path = "/NotificationInfo/KeepAlive"
		e.body = fmt.Appendf(nil, `{"Active":"keepAlive","DeviceID":%q}`, id)
	case 5, 6, 7, 8:
		e.path = "/dahua/" + id
		e.body = fmt.Appendf(nil, `{"Code":"AccessControl","Action":"Pulse","Index":0,"Data":{"RecNo":%d,"UTC":%d,"UserID":%q,"CardNo":"","Type":"Entry","Method":1,"Status":1,"ErrorCode":0}}`, n, at.Unix(), simPerson(n%f.people))
	default:
		e.path = "/NotificationInfo/TollgateInfo"
		e.body = fmt.Appendf(nil, `{"Picture":{"NormalPic":{"PicName":"%d_%d_00.jpg","Content":%q},"VehiclePic":{"PicName":"%d_%d_veh.jpg","Content":%q},"Plate":{"IsExist":true,"PlateNumber":"测A%05d","PlateColor":"Blue","Confidence":90,"BoundingBox":[100,200,300,260],"Channel":0},"Vehicle":{"VehicleColor":"White","VehicleType":"PassengerCar"},"SnapInfo":{"SnapTime":%q,"AccurateTime":"%s.%03d","TimeZone":2,"DSTTune":0,"LanNo":1,"Direction":"Obverse","OpenStrobe":false,"DeviceID":%q}}}`,
			at.UnixNano(), n, f.b64(n), at.UnixNano(), n, f.b64(n+1), n%100000, local, local, at.Nanosecond()/1e6, id)
	}
	return e
}

// iflytekEvent: an older client of the standard that writes near-spec JSON,
// with the six fields of V1.0.2 and a data: prefix on every second picture.
func iflytekEvent(f *fleet, device, n int, at time.Time) simEvent {
	e := simEvent{contentType: "application/json"}
	local := at.Format(time.DateTime)
	prefix := ""
	if n%2 == 1 {
		prefix = "data:image/jpeg;base64,"
	}
	old := `"infoKind":1,"imageSource":"11","fileFormat":"Jpeg","shotPlaceFullAddress":"测试路 1 号","title":"标题","contentDescription":"内容"`
	if n%4 == 3 {
		e.path = "/iflytek/api/v1/stk/rytxjl"
		e.body = fmt.Appendf(nil, `{"accessType":"2","accessTime":%q,"accessControlNo":%q,"areaNo":%q,"cardNo":%q,%s}`, local, simDoor("iflytek", device), simArea, simIdentity(n%f.people), old)
		return e
	}
	e.path = "/iflytek/api/v1/stk/zpjl"
	e.body = fmt.Appendf(nil, `{"areaNo":%q,"snapNo":%q,"snapTime":%q,"snapBigImage":"%s%s","snapSmallImage":"%s%s",%s}`, simArea, simCamera("iflytek", device), local, prefix, f.b64(n), prefix, f.b64(n+1), old)
	return e
}
