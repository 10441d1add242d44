package transform

import (
	"slices"

	"github.com/expr-lang/expr/ast"

	"yiqiao/transform/message"
)

// function is one row of the function set: its code, its documentation and
// the examples that prove it (run by TestFunctionExamples, printed by `yiqiao spec
// functions`).
type function struct {
	name     string
	usage    string
	doc      string // in Chinese: it is shown to the integrator
	min, max int    // number of arguments; max -1: any
	call     func(r *run, args []any) (any, error)
	// check, if not nil, proves constant arguments while compiling; their
	// number is right by then.
	check    func(v *chains, n *ast.CallNode)
	parts    []string // of its result, when that is an object
	personal bool     // its argument stands for a person: it is masked in messages
	examples []Example
}

// Example is an expression over the example event with its value.
type Example struct {
	Expr, Want string // Want: the value as text; "error: …" if it is refused
}

// functions is the function set.
var functions = []function{
	{name: "time", usage: `time(value, layout…)`, min: 1, max: -1, call: timeFunc,
		doc: "设备时间 → yyyy-MM-dd HH:mm:ss（GF004）。识别带/不带时区的常见写法、14/17 位数字、1970 年以来的秒/毫秒/微秒；没有时区的按 source.yaml 的 zone。给出 layout 时只按它解析。",
		examples: []Example{
			{`time("2026-09-02T13:32:56+08:00")`, "2026-09-02 13:32:56"},
			{`time("2026-09-02T05:32:56Z")`, "2026-09-02 13:32:56"},
			{`time("2016-12-24T18:59:49-8:00")`, "2016-12-25 10:59:49"},
			{`time("2026-02-10 09:30:45.123")`, "2026-02-10 09:30:45"},
			{`time("20260211180000")`, "2026-02-11 18:00:00"},
			{`time("20240507174803847")`, "2024-05-07 17:48:03"},
			{`time(1770804000)`, "2026-02-11 18:00:00"},
			{`time("1770804000123")`, "2026-02-11 18:00:00"},
			{`time("02-03-2020 21:41:40", "dd-MM-yyyy HH:mm:ss")`, "2020-03-02 21:41:40"},
			{`time("gestern")`, `error: want a time, got "gestern"`},
			{`time(nil)`, "nil"},
		}},
	{name: "date", usage: `date(value, layout…)`, min: 1, max: -1, call: dateFunc,
		doc: "日期 → yyyy-MM-dd（GF003）。写法同 time。",
		examples: []Example{
			{`date("19940307")`, "1994-03-07"},
			{`date("2026-09-02T23:32:56Z")`, "2026-09-03"},
		}},
	{name: "picture", usage: `picture(value)`, min: 1, max: 1, call: pictureFunc,
		doc: "图片（GF005）：multipart 的部件，或 Base64 文本（可带 data: 前缀，前缀会去掉）。没有值时为 nil；不是图片则拒绝。",
		examples: []Example{
			{`picture(part("Picture"))`, "@part 12 bytes"},
			{`picture(event.image)`, "@text 16 bytes"},
			{`picture("data:image/jpeg;base64,/9j/4AAQSkZJRgAB")`, "@text 16 bytes"},
			{`picture("")`, "nil"},
			{`picture("hello")`, `error: want a picture, got 5 bytes that begin with "hello"`},
		}},
	{name: "fetch", usage: `fetch(url, expires)`, min: 1, max: 2, call: fetchFunc,
		doc: "地址上的图片。映射时什么都不取，只留下引用；收到的事件先落盘并应答，随后在后台取图（设备表的 user、password 列或 pictures.user、pictures.password 用于 Basic/Digest），只取 yiqiao.yaml 的 pictures.from 允许的地址，取到之后才检查 GF005、加密、上送。地址里有 Expires 之类的参数时快过期的先取；没有而知道有效期时写 expires（写法同 time）。值本身就是图片（部件、长的 Base64、data: 开头）时同 picture。显示时签名参数打码，去重也不看签名。没有值时为 nil。",
		examples: []Example{
			{`fetch("http://192.0.2.64/pic/1.jpg")`, "@fetch http://192.0.2.64/pic/1.jpg"},
			{`fetch("https://isc.example.com/pic?id=7&Expires=1594436819&Signature=abc")`, "@fetch https://isc.example.com/pic?id=7&Expires=1594436819&Signature=***"},
			{`fetch("http://192.0.2.64/pic/1.jpg", "2026-09-02 13:32:56")`, "@fetch http://192.0.2.64/pic/1.jpg"},
			{`fetch("/var/tmp/1.jpg")`, `error: want an address that begins with http:// or https://, got "/var/tmp/1.jpg"`},
			{`fetch(event.nothing)`, "nil"},
		}},
	{name: "crop", usage: `crop(picture, rect, unit, form)`, min: 3, max: 4, call: cropFunc,
		doc: "从大图裁出小图（JPEG、PNG；图片可以是 fetch 的结果）。rect 是对象时按成员名认：x、y、width、height，left、top、right、bottom，LeftTopX、LeftTopY、RightBtmX、RightBtmY；是四个数的列表时用 form 写明：ltrb（左、上、右、下）或 xywh（左、上、宽、高）。unit 是坐标单位：0..1、0..1000、0..8191、0..10000 或 pixels。裁剪和取图一样，在事件落盘应答之后、上送之前进行。没有图片、没有 rect 或 rect 全为 0 时为 nil。",
		examples: []Example{
			{`crop(part("Picture"), {x: 0.1, y: 0.2, width: 0.3, height: 0.4}, "0..1")`, "@crop left 0.1 top 0.2 right 0.4 bottom 0.6 (0..1) of @jpeg 12 bytes sha256:3c4bae649b6c"},
			{`crop(fetch("http://192.0.2.64/1.jpg"), [1024, 2048, 4096, 8191], "0..8191", "ltrb")`, "@crop left 1024 top 2048 right 4096 bottom 8191 (0..8191) of @fetch http://192.0.2.64/1.jpg"},
			{`crop(fetch("http://192.0.2.64/1.jpg"), [100, 200, 50, 60], "pixels", "xywh")`, "@crop left 100 top 200 right 150 bottom 260 (pixels) of @fetch http://192.0.2.64/1.jpg"},
			{`crop(part("Picture"), [1, 2, 3, 4], "pixels")`, `error: four numbers may be "ltrb" (left, top, right, bottom) or "xywh" (left, top, width, height): say which after the unit, got nothing`},
			{`crop(part("Picture"), {x: 100, y: 200, width: 300, height: 400}, "0..1")`, `error: the rectangle left 100 top 200 right 400 bottom 600 (0..1) does not lie in the picture: is it another unit, or another form?`},
			{`crop(part("nothing"), {x: 0.1, y: 0.2, width: 0.3, height: 0.4}, "0..1")`, "nil"},
		}},
	{name: "shrink", usage: `shrink(picture, max)`, min: 2, max: 2, call: shrinkFunc,
		doc: "图片不超过 max（字节数，或 \"200KB\"、\"1MB\"）：够小的原样不动，其余先降 JPEG 质量、再缩小尺寸。在事件落盘应答之后、上送之前进行。没有图片时为 nil。",
		examples: []Example{
			{`shrink(part("Picture"), "200KB")`, "@part 12 bytes"},
			{`shrink(fetch("http://192.0.2.64/1.jpg"), 204800)`, "@shrink 204800 of @fetch http://192.0.2.64/1.jpg"},
			{`shrink(part("Picture"), "tiny")`, `error: want a size between 4KB and 64MB such as "200KB", got "tiny"`},
			{`shrink(event.nothing, "200KB")`, "nil"},
		}},
	{name: "later", usage: `later(name)`, min: 1, max: 1, call: laterFunc,
		doc: "随后在另一个请求里来的图片：同一个来源里 join.pictures 有这个名字、join.key 相同的映射带来它。只能用在有 join 的映射里。",
		examples: []Example{
			{`later("photo")`, "@later photo"},
			{`first(part("nothing"), later("photo"))`, "@later photo"},
			{`later("")`, `error: want a name, got ""`},
		}},
	{name: "part", usage: `part(name…)`, min: 1, max: -1, call: partFunc,
		doc: "multipart 的一个部件：按 name、filename、Content-ID、类型查找，取第一个找到的名字。找不到为 nil。",
		examples: []Example{
			{`part("Picture")`, "@part 12 bytes"},
			{`part("nothing", "Picture.jpg")`, "@part 12 bytes"},
			{`part("nothing")`, "nil"},
		}},
	{name: "lookup", usage: `lookup(table, key, column)`, min: 2, max: 3, call: lookupFunc, check: (*chains).checkLookup,
		doc: "查表：site 的表（devices、people…）或映射里的 tables。没有该行或该格为空时为 nil。people[key].zjhm 是同一件事的简写。",
		examples: []Example{
			{`lookup("people", "1001", "zjhm")`, "340102199001010010"},
			{`lookup("people", "9999", "zjhm")`, "nil"},
			{`people["1001"].zjhm`, "340102199001010010"},
			{`people["9999"]?.zjhm`, "nil"},
			{`lookup("way", "face")`, "2"},
		}},
	{name: "dict", usage: `dict(dictionary, value, default)`, min: 2, max: 3, call: dictFunc, check: (*chains).checkDict,
		doc: "字典（规范 1.6）：由名称得到代码，值本身已是代码时原样返回。名称带不带“性、族、色”一类的词尾都认（男＝男性，汉＝汉族，白色＝白），不区分全角半角和大小写；除此之外不猜。没有值时为 nil；字典里没有或不唯一则拒绝，并列出相近的条目。给出 default 时，这些情况都用它。",
		examples: []Example{
			{`dict("ZD004", "男")`, "1"},
			{`dict("ZD004", "女性")`, "2"},
			{`dict("ZD004", 1)`, "1"},
			{`dict("ZD021", "汉")`, "01"},
			{`dict("ZD026", "白色")`, "A"},
			{`dict("ZD004", event.nothing)`, "nil"},
			{`dict("ZD004", event.nothing, "0")`, "0"},
			{`dict("ZD004", event.name, "9")`, "9"},
			{`dict("ZD004", event.name)`, `error: dictionary ZD004 (性别代码) has no "x"; nearest: 1 男性, 2 女性, 0 未知的性别, 9 未说明的性别`},
			{`dict("ZD04", "男")`, `error: there is no dictionary "ZD04"; did you mean "ZD004"?`},
		}},
	{name: "bd09", usage: `bd09(lng, lat, from)`, min: 3, max: 3, call: bd09Func, check: (*chains).checkCoordinates, parts: []string{"jd", "wd"},
		doc: "经纬度 → 百度坐标（GF001，6 位小数）：.jd 经度，.wd 纬度。from 是原坐标：wgs84（GPS）、gcj02（高德、腾讯）或 bd09（只整理写法）。数字和文本都可以。两者都没有值时为 nil；只有一个、不在中国境内（经度 73–136，纬度 3–54）或经纬度颠倒则拒绝。与公开算法一致；与百度自己的换算可能相差几米。",
		examples: []Example{
			{`bd09(116.404, 39.915, "wgs84").jd`, "116.416627"},
			{`bd09(116.404, 39.915, "wgs84").wd`, "39.922700"},
			{`bd09("116.404", "39.915", "gcj02").jd`, "116.410369"},
			{`bd09("117.3", "31.895847123", "bd09").wd`, "31.895847"},
			{`bd09(event.nothing, "", "wgs84")`, "nil"},
			{`bd09(39.915, 116.404, "wgs84")`, "error: want a place in China (longitude 73 to 136, latitude 3 to 54), got 39.915, 116.404: longitude and latitude are swapped"},
		}},
	{name: "polygon", usage: `polygon(points, from)`, min: 1, max: 2, call: polygonFunc, check: (*chains).checkCoordinates,
		doc: "坐标集合（GF002）：lng,lat;lng,lat;…。points 可以是文本（“lng,lat;lng,lat”、“lng lat,lng lat”、WKT POLYGON、GeoJSON），也可以是列表，其中每个点是 [lng, lat]、文本、bd09(…) 的结果，或有 lng/lat、lon/lat、longitude/latitude、jd/wd、x/y 的对象。给出 from（wgs84、gcj02）时换算为百度坐标，否则只整理写法。至少 3 个不同的点；首尾是否闭合保持原样。没有值或列表为空时为 nil。",
		examples: []Example{
			{`polygon("117.302165,31.895847;117.302894,31.895845;117.304036,31.895611")`, "117.302165,31.895847;117.302894,31.895845;117.304036,31.895611"},
			{`polygon("POLYGON((117.3 31.8, 117.4 31.8, 117.4 31.9, 117.3 31.8))")`, "117.300000,31.800000;117.400000,31.800000;117.400000,31.900000;117.300000,31.800000"},
			{`polygon([[117.3, 31.8], [117.4, 31.8], [117.4, 31.9]])`, "117.300000,31.800000;117.400000,31.800000;117.400000,31.900000"},
			{`polygon("116.404,39.915;116.405,39.915;116.405,39.916", "gcj02")`, "116.410369,39.921337;116.411371,39.921333;116.411370,39.922332"},
			{`polygon("117.3,31.8;117.4,31.8")`, "error: want at least 3 different points, got 2"},
			{`polygon(event.nothing)`, "nil"},
		}},
	{name: "idcard", usage: `idcard(value)`, min: 1, max: 1, call: idcardFunc, personal: true, parts: []string{"valid", "number", "birth", "sex", "region"},
		doc: "居民身份证号码（GB 11643）：.valid 是否有效（长度、出生日期、校验码），.number 18 位号码（15 位的升为 18 位，x 变为 X，去掉首尾空白），.birth 出生日期（GF003），.sex 性别代码（ZD004），.region 前 6 位行政区划。没有值时为 nil。号码无效本身不是错误，但取 .valid 以外的内容会被拒绝。",
		// The region 999999 does not exist.
		examples: []Example{
			{`idcard("99999919850608004x").valid`, "true"},
			{`idcard(" 99999919850608004x ").number`, "99999919850608004X"},
			{`idcard("999999850608004").number`, "99999919850608004X"},
			{`idcard("99999919850608004X").birth`, "1985-06-08"},
			{`idcard("99999919850608004X").sex`, "2"},
			{`idcard("99999919850608004X").region`, "999999"},
			{`idcard("999999198506080041").valid`, "false"},
			{`idcard("999999198506080041").birth`, `error: want a valid id card number, got "9***1": its check digit is wrong`},
			{`idcard(event.nothing)`, "nil"},
		}},
	{name: "plate", usage: `plate(value)`, min: 1, max: 1, call: plateFunc,
		doc: "车牌号码：去掉空白和分隔符（· - _ . 等），全角变半角，字母大写。表示无牌的写法（无牌、无车牌、未识别、unknown、_无_、00000000……）和没有值都得到空文本，可以写 first(plate(…), \"无牌\")。不判断号码是否合乎规则。",
		examples: []Example{
			{`plate("皖a·12345")`, "皖A12345"},
			{`plate(" 皖A-D12345 ")`, "皖AD12345"},
			{`plate("皖Ａ１２３４５")`, "皖A12345"},
			{`plate("unknown")`, ""},
			{`plate("_无_")`, ""},
			{`plate(event.nothing)`, ""},
			{`first(plate("无车牌"), "无牌")`, "无牌"},
		}},
	{name: "pad", usage: `pad(value, digits)`, min: 2, max: 2, call: padFunc,
		doc: "数字补零到给定位数，用于拼接编码：ldbm 是 xqbm + pad(楼栋, 3)，fwbm 是 ldbm + pad(单元, 2) + pad(楼层, 2) + pad(房间, 2)。没有值时为 nil；不是数字或位数超出则拒绝，不会截断。",
		examples: []Example{
			{`"340102001001001" + pad(event.list[0].id, 3)`, "340102001001001006"},
			{`pad("12", 2)`, "12"},
			{`pad("123", 2)`, `error: want at most 2 digits, got "123"`},
			{`pad("A1", 3)`, `error: want digits, got "A1"`},
			{`pad(event.nothing, 3)`, "nil"},
		}},
	{name: "get", usage: `get(path)`, min: 1, max: 1, call: getFunc,
		doc: "按 gjson 路径取事件里的值，可带条件：get(\"list.#(kind==\\\"face\\\").id\")。",
		examples: []Example{
			{`get("list.#(kind==\"face\").id")`, "7"},
			{`get("list.#.id")`, "[6 7]"},
			{`get("nothing")`, "nil"},
		}},
	{name: "first", usage: `first(value…)`, min: 1, max: -1, call: firstFunc,
		doc: "第一个有内容的值：nil 和空文本跳过。",
		examples: []Example{
			{`first(event.nothing, "", "x", "y")`, "x"},
			{`first(nil, "")`, "nil"},
		}},
	{name: "need", usage: `need(value, condition)`, min: 1, max: 2, call: needFunc,
		doc: "这个值，但必须有：nil 和空文本则拒绝（死信），即使规范不要求这个字段。写了条件的，只在条件为真时必须有。用于认出了人却查不到证件号码：need(people[event.no]?.zjhm, recognised)，死信里有可以直接粘贴的一行。",
		examples: []Example{
			{`need("x")`, "x"},
			{`need(event.nothing)`, "error: want a value, got nothing"},
			{`need(event.nothing, 1 > 2)`, "nil"},
			{`need("")`, "error: want a value, got \"\""},
		}},
	{name: "digest", usage: `digest(value…)`, min: 1, max: -1, call: digestFunc,
		doc: "若干值的短摘要（16 位十六进制），用于 distinct。",
		examples: []Example{
			{`digest("a", 1)`, "4e05abd6911b81cc"},
			{`digest("a", 1) == digest("a1")`, "false"},
		}},
	{name: "json", usage: `json(text)`, min: 1, max: 1, call: jsonFunc,
		doc: "文本里的 JSON（有的设备把 JSON 当字符串发）。数字不丢位。没有值或空文本时为 nil；不是 JSON 则拒绝。",
		examples: []Example{
			{`json("{\"id\":12345678901234567890123}").id`, "12345678901234567890123"},
			{`json("[1,2]")[1]`, "2"},
			{`json(event.nothing)`, "nil"},
			{`json("{")`, "error: want JSON; at byte 1: want a member's name"},
		}},
	{name: "string", usage: `string(value)`, min: 1, max: 1, call: stringFunc,
		doc: "数字、真假 → 文本。数字不写成科学计数法。没有值时为 nil；列表和对象则拒绝。",
		examples: []Example{
			{`string(event.list[0].id) == "6"`, "true"},
			{`string(1234567890.5)`, "1234567890.5"},
			{`string(true)`, "true"},
			{`string(event.nothing)`, "nil"},
			{`string(event.list)`, "error: want a text, a number, true or false, got a list of 2"},
		}},
	{name: "lower", usage: `lower(text)`, min: 1, max: 1, call: ofText("lower", lowerText),
		doc: "小写。没有值时为 nil。", examples: []Example{{`lower("HeartBeat")`, "heartbeat"}, {`lower(event.nothing)`, "nil"}, {`lower(1)`, "error: lower wants a text, got the number 1"}}},
	{name: "upper", usage: `upper(text)`, min: 1, max: 1, call: ofText("upper", upperText),
		doc: "大写。没有值时为 nil。", examples: []Example{{`upper("ab:cd")`, "AB:CD"}}},
	{name: "trim", usage: `trim(text, characters)`, min: 1, max: 2, call: ofText("trim", trimText),
		doc: "去掉两头的空白，或 characters 里的字符。没有值时为 nil。", examples: []Example{{`trim("  x ")`, "x"}, {`trim("--x-", "-")`, "x"}, {`trim(event.nothing)`, "nil"}}},
	{name: "replace", usage: `replace(text, old, new)`, min: 3, max: 3, call: ofText("replace", replaceText),
		doc: "把 old 全部换成 new。没有值时为 nil。", examples: []Example{{`replace("44-19-B6", "-", ":")`, "44:19:B6"}}},
	{name: "split", usage: `split(text, separator)`, min: 2, max: 2, call: ofText("split", splitText),
		doc: "按分隔符拆成列表。没有值时为 nil。", examples: []Example{{`split("3-2-101", "-")[2]`, "101"}}},
	{name: "join", usage: `join(list, separator)`, min: 1, max: 2, call: joinFunc,
		doc: "把文本和数字的列表连成一个文本。没有值时为 nil。", examples: []Example{{`join(["a", 1], "-")`, "a-1"}, {`join([nil])`, "error: join wants a list of texts and numbers, got nothing in it"}}},
	{name: "keys", usage: `keys(object)`, min: 1, max: 1, call: keysFunc,
		doc: "对象的成员名，按名称排序（重放时结果相同）。没有值时为 nil。", examples: []Example{{`keys(event.list[0])`, "[id kind]"}}},
	{name: "values", usage: `values(object)`, min: 1, max: 1, call: valuesFunc,
		doc: "对象的成员值，按成员名排序。没有值时为 nil。", examples: []Example{{`values(event.list[0])`, "[6 car]"}}},
	{name: "flatten", usage: `flatten(list)`, min: 1, max: 1, call: flattenFunc,
		doc: "列表里的列表展开成一层。没有值时为 nil。", examples: []Example{{`flatten([1, [2, [3]]])`, "[1 2 3]"}}},
	{name: "uniq", usage: `uniq(list)`, min: 1, max: 1, call: uniqFunc,
		doc: "去掉重复的元素（最多 4096 个）。没有值时为 nil。", examples: []Example{{`uniq([1, 2, 1])`, "[1 2]"}}},
}

func functionByName(name string) *function {
	for i := range functions {
		if functions[i].name == name {
			return &functions[i]
		}
	}
	return nil
}

// general are expr's own functions that a mapping may use as they are.
var general = []string{
	"all", "none", "any", "one", "filter", "map", "find", "findIndex", "findLast", "findLastIndex", "count", "sum", "groupBy", "sortBy", "reduce",
	"len", "abs", "ceil", "floor", "round", "int", "float", "trimPrefix", "trimSuffix", "indexOf", "lastIndexOf", "hasPrefix", "hasSuffix",
	"max", "min", "mean", "median", "last", "take", "reverse", "concat", "sort", "fromBase64", "type",
}

// disabled are expr's functions that a mapping may not use, and what to do
// instead, as a rule of message: they know a clock, lose digits, have no order or no bound.
var disabled = map[string]string{
	"now": "now-instead", "duration": "", "timezone": "timezone-instead",
	"fromJSON": "json-instead", "toJSON": "", "toPairs": "pairs-instead", "fromPairs": "",
	"repeat": "pad-instead", "toBase64": "", "splitAfter": "split-instead", "bitnot": "", "bitand": "", "bitor": "", "bitxor": "", "bitnand": "", "bitshl": "", "bitshr": "", "bitushr": "",
}

func functionNames() []string {
	names := slices.Clone(general)
	for _, f := range functions {
		names = append(names, f.name)
	}
	return names
}

// FunctionDoc documents one function of the mapping language.
type FunctionDoc struct {
	Usage, Doc string
	Examples   []Example
}

// Functions documents the function set, in the order of its table.
func Functions() []FunctionDoc {
	var docs []FunctionDoc
	for _, f := range functions {
		docs = append(docs, FunctionDoc{f.usage, f.doc, f.examples})
	}
	return docs
}

// expr adapts a function to expr, whose compiler passes the run first.
func (f *function) expr() func(args ...any) (any, error) {
	call := f.call
	return func(args ...any) (any, error) {
		for i := range args {
			args[i] = referred(args[i])
		}
		return call(args[0].(*run), args[1:])
	}
}

func (f *function) arity() message.Message {
	switch {
	case f.max < 0:
		return message.New("arguments-least", f.min)
	case f.min == f.max && f.min == 1:
		return message.New("arguments-one")
	case f.min == f.max:
		return message.New("arguments-exactly", f.min)
	}
	return message.New("arguments-range", f.min, f.max)
}
