package transform

// The tables of this file are what vendors call things: read from what devices
// send, they are the place to add a word to. A name is compared by its words,
// so shotTime, ShotTime, shot_time and shot-time are one entry; "" in front of
// a name, as in " time", lets it end a longer one (ExtEventTime).

// concept is one thing that fields of the standard ask for.
type concept struct {
	label  string   // in Chinese, for comments
	fields []string // of the standard, by name
	// names as vendors have them, the best first.
	names []string
	// not are words that speak against a name: a birth date is no event's time.
	not []string
}

var concepts = []concept{
	{
		label: "时间", fields: []string{"snapTime", "accessTime"},
		names: []string{
			"snap time", "capture time", "face time", "pass time", "shot time", "accurate time", "swing time", "access time", "open time", "open door time",
			"happen time", "event time", "occur time", "alarm time", "recognize time", "verify time", "in time", "date time", "locale time", "local time", "real utc", "utc",
			"face appear time", "abs time", "alarm date", "time stamp", "timestamp", "ts", "tm", "t", "time", "event date", "record time", "log time", "create time", "datetime", "cap tm", "snap tm", "pass tm", "evt time", "rec time", "sec", "抓拍时间", "通行时间", "开门时间", "时间", "time", " time",
		},
		not: []string{"start", "begin", "end", "stop", "send", "receive", "recv", "birth", "birthday", "expire", "valid", "boot", "disappear", "dis", "mark", "heartbeat", "zone", "used", "out", "update", "register"},
	},
	{
		label: "车牌", fields: []string{"carNo", "cphm", "hphm"},
		names: []string{"plate number", "plate no", "license plate", "car no", "plate num", "car number", "car num", "car plate", "vehicle plate", "vehicle no", "plate license", "plate", "license", "lpr", "cphm", "cph", "hphm", "号牌", "车牌号码", "车牌号", "车牌"},
		not:   []string{"color", "colour", "type", "class", "original", "extra", "url", "pic", "confidence", "reliability"},
	},
	{
		label: "证件号码", fields: []string{"cardNo", "zjhm"},
		names: []string{"identity no", "id card", "id num", "id number", "id card no", "id card number", "identity card", "id no", "identity number", "cert no", "certificate no", "certificate number", "cert number", "certificate", "sfzh", "身份证", "身份证号", "身份证号码", "证件号", "证件号码", "zjhm"},
		not:   []string{"type", "picture", "pic", "url"},
	},
	{
		label: "通行方式", fields: []string{"accessType"},
		names: []string{"sub event type", "open type", "open method", "open door method", "verify mode", "verify type", "current verify mode", "method", "access type", "pass type", "pass mode", "open mode", "auth type", "identify type", "recognize type", "verify", "auth mode", "way", "minor", "通行方式", "开门方式"},
	},
	{
		label: "在线状态", fields: []string{"isOnLine"},
		names: []string{"is on line", "is online", "online", "online status", "on line", "online state", "device status", "device state", "status", "state", "active", "在线状态", "状态"},
		not:   []string{"event", "tailand"},
	},
	{
		label: "设备名称", fields: []string{"mc", "dzmc", "mjxtmc", "gjmc"},
		names: []string{"device name", "camera name", "channel name", "name", "dev name", "设备名称", "名称"},
	},
	{label: "IP 地址", fields: []string{"ip"}, names: []string{"ip address", "ip addr", "ip", "device ip", "ipaddr"}, not: []string{"v6", "server"}},
	{label: "经度", fields: []string{"jd"}, names: []string{"longitude", "lng", "lon", "jd", "经度"}, not: []string{"type"}},
	{label: "纬度", fields: []string{"wd"}, names: []string{"latitude", "lat", "wd", "纬度"}, not: []string{"type"}},
	{label: "型号", fields: []string{"xh"}, names: []string{"device model", "model", "device type", "型号"}},
	{label: "版本", fields: []string{"bbh"}, names: []string{"firmware version", "firmware", "software version", "version", "版本"}},
	{label: "端口", fields: []string{"dkh"}, names: []string{"port no", "port", "http port"}},
	{label: "厂商", fields: []string{"csxx"}, names: []string{"manufacturer", "vendor", "brand", "厂商"}},
	// 20-digit codes that some protocols (GB/T 28181, GA/T 1400) carry.
	{label: "20 位设备编码", fields: []string{"snapNo", "deviceID", "zpjbm"}, names: []string{"ape id", "device id", "device code", "device no", "camera code", "camera id", "tollgate id", "gb code", "gbid"}},
	{label: "小区编码", fields: []string{"areaNo", "xqbm"}, names: []string{"area code", "area no", "community code", "xqbm"}},
}

// personNames are the names of what stands for a person in a device, to be
// looked up in the site's table of people.
var personNames = []string{
	"employee no string", "employee no", "employee id", "person code", "person id", "person no", "user id", "user no", "job no", "staff no", "staff id",
	"personnel no", "pin", "person uid", "member id", "customer id", "card no", "card number", "card id", "工号", "卡号", "人员编号", "编号",
}

// deviceNames are the names of what tells devices apart, those that only one
// device has first.
var deviceNames = []string{
	"mac address", "mac", "device mac", "serial no", "serial number", "serialno", "serialnum", "device serial", "device serial no", "short serial number", "device sn", "sn", "dev sn", "deviceuuid",
	"device code", "device no", "device id", "deviceid", "dev id", "dev no", "dev code", "device key", "camera id", "camera code", "camera no", "terminal id", "terminal no", "ape id", "tollgate id",
	"gateway sn", "gw sn", "node sn", "dev", "device", "terminal", "imei", "acs channel code", "node code", "channel code", "src index", "index code", "door id", "reader id", "machine no", "machine id", "machine name", "lane code", "ip address", "ip addr", "ipaddr", "ip", "device ip",
	"设备编号", "设备号", "设备编码", "序列号",
}

// deviceEnds are the last words of other names of that sort: cameraSn.
var deviceEnds = []string{"sn", "mac", "imei", "serial", "devno"}

// countWords are words of names whose numbers are no times.
var countWords = []string{"id", "no", "num", "number", "code", "seq", "serial", "size", "len", "length", "count", "card", "phone", "mobile", "tel", "index", "version", "sn", "token", "key"}

// kindNames are the names of what tells one kind of event from another.
var kindNames = []string{"event type", "event code", "evt type", "evt", "cmd type", "record type", "data type", "biz type", "event name", "message type", "msg type", "code", "cmd", "command", "method", "action", "event", "operator", "type", "topic", "category", "ability", "alarm type", "notification type", "kind", "table"}

// Words in the names of pictures and of where they stand, the most telling
// first; those of vehicles go before for 车辆通行记录.
var (
	smallWords   = []string{"face", "small", "crop", "cutout", "cut", "head", "thumb", "close", "target", "snap"}
	vehicleWords = []string{"vehicle", "car", "small", "cutout", "cut", "crop", "plate", "license"}
	bigWords     = []string{"background", "bkg", "bg", "scene", "big", "full", "pano", "panorama", "normal", "global", "whole", "detection", "frame"}
)

// waysByCode are the codes of ways through a door that are known of names of
// members: subEventType of Hikvision's major 5, Method of Dahua. The values
// are those of ZD018, which has neither fingerprints nor passwords: they go as
// cards.
var waysByCode = []struct {
	name  string
	codes [][2]string
}{
	{"sub event type", [][2]string{{"1", "1"}, {"38", "1"}, {"75", "2"}}},
	{"minor", [][2]string{{"1", "1"}, {"38", "1"}, {"75", "2"}}},
	{"method", [][2]string{{"0", "1"}, {"1", "1"}, {"6", "1"}, {"15", "2"}}},
	{"open door method", [][2]string{{"0", "1"}, {"1", "1"}, {"6", "1"}, {"15", "2"}}},
	{"open type", [][2]string{{"51", "1"}}},
}

// waysByWord tell ways by words in a value or in the event.
var waysByWord = []struct{ word, code string }{
	{"face", "2"}, {"人脸", "2"}, {"刷脸", "2"}, {"card", "1"}, {"刷卡", "1"}, {"voice", "4"}, {"声纹", "4"}, {"app", "5"}, {"bluetooth", "5"}, {"qrcode", "5"}, {"二维码", "5"},
}

// answersOf are the answers that protocols want, by what their events hold.
// None opens a gate.
var answersOf = []struct{ member, path, contentType, body, why string }{
	{member: "AlarmInfoPlate", contentType: "application/json", body: `{"Response_AlarmInfoPlate":{"info":"no","content":"retransfer_stop"}}`, why: "臻识一类的道闸相机：info 为 ok 会开闸，所以回 no"},
	{path: "NotificationInfo", contentType: "application/json", body: `{"Result":true,"Message":"Success"}`, why: "大华 ITSAPI 一类：绝不回 OpenStrobe，回了就会开闸"},
	{path: "iclock", contentType: "text/plain", body: "OK", why: "中控 ADMS 一类：要文本 OK"},
	{path: "LAPI", contentType: "text/plain", body: `{"Code":0}`, why: "宇视 LAPI 一类：要 Code 0"},
	{path: "VIID", contentType: "application/json", body: `{"ResponseStatusListObject":{"ResponseStatusObject":[{"StatusCode":"0","StatusString":"OK"}]}}`, why: "GA/T 1400 一类：要 ResponseStatus"},
}
