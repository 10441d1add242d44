package transform

import (
	"slices"

	"yiqiao/transform/event"
)

// SchemaLine begins the first line of a file, by which an editor finds its
// schema.
const SchemaLine = "# yaml-language-server: $schema="

// KeyDoc says what one key of a file is for: the editor's help is made of it.
type KeyDoc struct {
	Name     string
	Required bool
	Kind     ValueKind
	Chinese  string
	English  string
	Values   []string // the only ones it may have; nil: any
	Default  string   // as it is written; empty: none
	Example  string   // as it is written
	Keys     []KeyDoc // of a Section, Sections, or of the long form of a TextOr
}

// ValueKind is what may stand behind a key.
type ValueKind int

// The kinds of values.
const (
	Text         ValueKind = iota // a scalar
	Expression                    // of the mapping language
	Texts                         // a list of texts; one may stand without the list
	TextList                      // a list of texts, always
	Expressions                   // a list of expressions; one may stand without the list
	Named                         // any names, a text each
	NamedExprs                    // any names, an expression each
	ExpressionOr                  // an expression, or NamedExprs
	NamedTexts                    // any names, Named each
	Section                       // keys of its own
	Sections                      // a list of sections; one may stand without the list
	TextOr                        // a text, or a section that says more
	NamedTextOr                   // any names, a TextOr each
	Whole                         // a whole number
	Number                        // any number
	Duration                      // 72h, 10m, 30s
	Bytes                         // 16MB, 512KiB
	RecordFields                  // the fields of the interface that `to` names
)

// Key returns the row of a name; nil if there is none.
func Key(docs []KeyDoc, name string) *KeyDoc {
	if i := slices.IndexFunc(docs, func(d KeyDoc) bool { return d.Name == name }); i >= 0 {
		return &docs[i]
	}
	return nil
}

// MappingKeys are the keys of a mapping file.
func MappingKeys() []KeyDoc {
	return []KeyDoc{
		{Name: "title", Required: true, Chinese: "给人看的名字", English: "what it is, for people", Example: "海康威视 门禁刷脸 → 人员通行记录"},
		{Name: "merge", Kind: Texts, Chinese: "并入同一文件夹里的片段（文件名以 _ 开头）", English: "fragments of the same folder (their names begin with _) that this mapping takes in", Example: "_common.yaml"},
		{Name: "when", Kind: Expression, Chinese: "什么事件归这个映射；不写就是这个来源的所有事件", English: "true for the events that this mapping is for; left out: all of the source", Example: `event.eventType == "AccessControllerEvent"`},
		{Name: "ignore", Kind: Sections, Chinese: "哪些事件不要：正常应答、计数、不保存", English: "events that are of no interest: answered, counted, not kept", Keys: []KeyDoc{
			{Name: "when", Required: true, Kind: Expression, Chinese: "条件", English: "true for what is ignored"},
			{Name: "because", Required: true, Chinese: "原因，出现在统计里", English: "the reason, shown in metrics"},
		}},
		{Name: "each", Kind: ExpressionOr, Chinese: "列表：每个元素（it）一条记录；几层列表写成 名字: 表达式，外层在前", English: "a list: one record for each element, named it; loops one in the other as name: expression, the outer one first", Example: "event.faceCapture"},
		{Name: "device", Kind: Expressions, Chinese: "每个元素是哪台设备：依次拿这些值去查来源的设备表；不写就用来源的 device.from，整个事件一台", English: "which device each element is of: values that are looked up in the source's device table one after the other; left out: the source's device.from, one for the whole event", Example: "[it.srcIndex, it.DeviceID]"},
		{Name: "tables", Kind: NamedTexts, Chinese: "写在文件里的小对照表：{way: {card: \"1\", face: \"2\"}}，用 way[…] 查", English: "small tables in the file itself, looked up as way[…]"},
		{Name: "let", Kind: NamedExprs, Chinese: "起名字的中间值，后面的能用前面的", English: "values with a name; later ones see those before"},
		{Name: "to", Chinese: "规范的接口：记录送到哪里", English: "the interface of the standard that the records are for", Example: "stk/rytxjl"},
		{Name: "record", Kind: RecordFields, Chinese: "记录的每个字段：一个表达式（文字常量写成 '\"1\"'）", English: "the fields of the record, an expression each (a constant text is written '\"1\"')"},
		{Name: "distinct", Kind: Expression, Chinese: "同一设备、同一时刻的两件事靠什么分开；默认是记录内容的摘要", English: "what tells two events of one device and one second apart; by default a digest of the record", Example: "event.serialNo"},
		{Name: "dedup", Kind: Section, Chinese: "这个映射自己的去重设置", English: "duplicates of this mapping's records", Keys: []KeyDoc{
			{Name: "window", Required: true, Kind: Duration, Chinese: "多久以内再来一次算重复，代替站点的 dedup.window", English: "for how long a resend is a duplicate, in place of the site's", Example: "10m"},
		}},
		{Name: "join", Kind: Section, Chinese: "图片随后在另一个请求里来：两个映射用同一个 key，先到的等后到的", English: "a picture that follows in a request of its own: two mappings with one key, whichever comes first waits for the other", Keys: []KeyDoc{
			{Name: "key", Required: true, Kind: Expression, Chinese: "事件和图片共有的：设备、时间、编号", English: "what the event and its picture have in common: device, time, number", Example: "request.query.SN + it[1] + it[0]"},
			{Name: "wait", Required: true, Kind: Duration, Chinese: "等另一半多久（1s 到 1h）；到时没有图片的进死信（缺图片），没有事件的图片丢掉", English: "how long to wait for the other half (1s to 1h); then a record without its picture is a dead letter, a picture without its event is dropped", Example: "8s"},
			{Name: "late", Values: lateChoices, Default: "dead", Chinese: "到时没有图片：dead 进死信，send 不带图片照送（规范必填的仍进死信）", English: "when its picture has not come: dead, a dead letter; send, it goes without, if the standard lets it"},
			{Name: "pictures", Kind: NamedExprs, Chinese: "这个请求带来的图片（这样的映射没有 to、record）；记录里用 later(\"名字\") 等它", English: "the pictures that this request brings (such a mapping has no to and record); a record waits for one by later(\"name\")"},
		}},
		{Name: "wait", Kind: Duration, Chinese: "等平台答复再应答来源，最多等多久（给同步调用的旧系统）；到时没有结果就按 accepted 应答", English: "answer the sender with what the platform says, and wait for that so long at most (for legacy systems that call synchronously); after that it is told accepted", Example: "5s"},
	}
}

// FragmentKeys are the keys of a fragment, a file whose name begins with "_".
func FragmentKeys() []KeyDoc {
	var docs []KeyDoc
	for _, name := range []string{"merge", "ignore", "device", "tables", "let", "record"} {
		docs = append(docs, *Key(MappingKeys(), name))
	}
	return docs
}

// ListKeys are the keys of a list in the record that is made of a list of the
// event.
func ListKeys() []KeyDoc {
	return []KeyDoc{
		{Name: "each", Required: true, Kind: Expression, Chinese: "列表：每个元素（it）一项", English: "a list: an object for each element, named it"},
		{Name: "record", Required: true, Kind: RecordFields, Chinese: "每一项的字段", English: "the fields of each object"},
	}
}

// SourceKeys are the keys of source.yaml.
func SourceKeys() []KeyDoc {
	var names []string
	for _, o := range outcomes {
		names = append(names, string(o))
	}
	var kinds []string
	for _, k := range event.Kinds {
		kinds = append(kinds, string(k))
	}
	return []KeyDoc{
		{Name: "title", Required: true, Chinese: "给人看的名字", English: "what it is, for people", Example: "海康威视 ISAPI HTTP 监听"},
		{Name: "listen", Required: true, Kind: Texts, Chinese: "设备往哪里推：方法和路径，{名字} 是一段", English: "where devices post: method and path, {name} is one segment", Example: "POST /hikvision/{device}"},
		{Name: "body", Values: kinds, Chinese: "正文是哪一种；不写就看内容", English: "the kind of body; left out: told by what it looks like"},
		{Name: "part", Kind: Texts, Chinese: "multipart 里哪个部件是事件；不写就是第一个像的", English: "the part of a multipart body that is the event; left out: the first that can be one"},
		{Name: "unwrap", Kind: Texts, Chinese: "要去掉的外层（XML 的根元素、JSON 的外壳）", English: "layers around the event that are taken off: the root of an XML, a shell of a JSON", Example: "[EventNotificationAlert]"},
		{Name: "device", Kind: Section, Chinese: "怎样认出设备", English: "how a device is known", Keys: []KeyDoc{
			{Name: "table", Chinese: "在哪张表里查", English: "the table that it is looked up in", Default: "devices"},
			{Name: "from", Required: true, Kind: Expressions, Chinese: "依次拿这些值去查，先查到的为准", English: "values that are looked up one after the other; the first one found counts", Example: "[request.path.device, request.remote]"},
		}},
		{Name: "time", Kind: Section, Chinese: "设备的时钟", English: "the devices' clock", Keys: []KeyDoc{
			{Name: "zone", Chinese: "设备时间的时区", English: "the zone of times without one", Default: "+08:00", Example: "+08:00"},
			{Name: "correct", Chinese: "设备时钟偏差的修正", English: "what is added to the devices' times", Example: "-9m"},
		}},
		{Name: "presence", Kind: Section, Chinese: "设备在线：多久没有任何消息算离线，向平台报什么；不写 to 和 record 就只在设备列表和指标里看", English: "after which silence a device is offline, and what the platform is told; without to and record it only shows in the list of devices and in metrics", Keys: []KeyDoc{
			{Name: "silent", Required: true, Kind: Duration, Chinese: "多久没有任何消息就算离线", English: "for so long nothing came from a device: it is offline", Example: "90s"},
			{Name: "refresh", Kind: Duration, Chinese: "状态没变也隔这么久重报一次；不写就只报变化", English: "so often its state is sent though it has not changed; left out: changes only", Example: "6h"},
			{Name: "heartbeat", Kind: Expression, Chinese: "哪些事件是心跳：只有发过心跳的设备才会因为没消息算离线，不认识的设备的心跳进死信；不写则都会", English: "which events are heartbeats: only devices that have sent one go offline by silence, and one of an unknown device is a dead letter; left out: all do", Example: `event.eventType == "videoloss"`},
			{Name: "ignore", Kind: Sections, Chinese: "哪些设备的状态不报（event 是 device、online、since、at）", English: "changes that are not sent (event has device, online, since, at)", Keys: []KeyDoc{
				{Name: "when", Required: true, Kind: Expression, Chinese: "条件", English: "true for what is ignored"},
				{Name: "because", Required: true, Chinese: "原因，出现在统计里", English: "the reason, shown in metrics"},
			}},
			{Name: "let", Kind: NamedExprs, Chinese: "起名字的中间值", English: "values with a name"},
			{Name: "to", Chinese: "规范的接口", English: "the interface of the standard", Example: "stk/sbzt"},
			{Name: "record", Kind: NamedExprs, Chinese: "记录的每个字段，像映射里一样", English: "the fields of the record, as in a mapping", Example: `{isOnLine: 'event.online ? "1" : "2"'}`},
		}},
		{Name: "otherwise", Kind: Section, Chinese: "没有映射接的事件怎么办；不写就进死信", English: "what becomes of events that no mapping takes; left out: they are dead letters", Keys: []KeyDoc{
			{Name: "ignore", Required: true, Chinese: "不要它们，原因是……", English: "ignore them, for this reason"},
		}},
		{Name: "answers", Kind: Sections, Chinese: "怎样应答设备：第一条合适的", English: "how devices are answered: the first one that fits", Keys: []KeyDoc{
			{Name: "for", Kind: Texts, Values: names, Chinese: "对哪些结果；不写是 full 以外的全部", English: "the outcomes that it is for; left out: all but full"},
			{Name: "when", Kind: Expression, Chinese: "还要满足的条件", English: "a condition beside"},
			{Name: "status", Kind: Whole, Chinese: "HTTP 状态码", English: "the HTTP status", Default: "200"},
			{Name: "type", Chinese: "Content-Type", English: "the Content-Type", Example: "application/json"},
			{Name: "headers", Kind: Named, Chinese: "其他应答头", English: "other headers"},
			{Name: "each", Kind: Expression, Chinese: "列表：每个元素（it）回一段 item，用逗号隔开，放在 body 的 ${items} 处", English: "a list: for each element, named it, an item stands at ${items} in the body, with commas between", Example: "event.faces"},
			{Name: "item", Chinese: "每个元素回的那一段，${表达式} 处填值", English: "what is answered for each element; ${expression} is filled in", Example: `{"id":"${it.id}","status":0}`},
			{Name: "body", Chinese: "应答内容，${表达式} 处填值", English: "the body; ${expression} is filled in", Example: `{"code":0}`},
		}},
	}
}
