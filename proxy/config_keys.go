package proxy

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"yiqiao/proxy/seal"
	"yiqiao/transform"
)

// keyWords is what one key of yiqiao.yaml is for, for people: the editor's help
// is made of it. What it may hold and its default are in Config and defaults.
type keyWords struct {
	chinese, english string
	values           []string
	example          string
	required         bool
}

// configWords has a row for each key, by its path.
func configWords() map[string]keyWords {
	cipher := seal.Choices()
	return map[string]keyWords{
		"listen":                            {chinese: "设备往这里推送", english: "where devices post; nothing else answers there", example: ":8080"},
		"platform":                          {chinese: "上级平台（规范 1.2、1.3）", english: "the platform that records go to", required: true},
		"platform.url":                      {chinese: "平台地址，到 /api/v1 为止", english: "its address, with /api/v1", example: "http://192.0.2.10:8000/api/v1", required: true},
		"platform.appKey":                   {chinese: "平台给的 appKey；写 ${名字} 从环境变量取", english: "the appKey; ${NAME} takes it from the environment", example: "${YIQIAO_APP_KEY}", required: true},
		"platform.publicKey":                {chinese: "平台给的公钥：Base64 X.509 或 PEM，或 file:文件名", english: "the platform's public key: Base64 X.509 or PEM, or file:NAME", example: "file:platform.pub"},
		"platform.cipher":                   {chinese: "平台的加密方式", english: "how records are sealed"},
		"platform.cipher.suite":             {chinese: "密码套件；plain 只用于本机的平台", english: "the suite; plain is for a platform on this machine", values: cipher["suite"]},
		"platform.cipher.mode":              {chinese: "分组模式，默认 ecb", english: "mode of the block cipher", values: cipher["mode"]},
		"platform.cipher.bits":              {chinese: "会话密钥的位数：128（默认）、192、256", english: "bits of the session key", example: "128"},
		"platform.cipher.key":               {chinese: "会话密钥怎么写进 encrypted，默认 chars", english: "how the session key stands in encrypted", values: cipher["key"]},
		"platform.cipher.iv":                {chinese: "cbc、gcm 的 IV，默认 prefix；ecb 没有", english: "the IV of cbc and gcm", values: cipher["iv"]},
		"platform.cipher.rsa":               {chinese: "RSA 填充，默认 pkcs1v15", english: "RSA padding", values: cipher["rsa"]},
		"platform.cipher.output":            {chinese: "两个成员的写法，默认 base64", english: "text form of both members", values: cipher["output"]},
		"platform.cipher.reuse":             {chinese: "一个会话密钥用于多少条记录；0 和 1 是每条一个", english: "records sealed under one session key; 0 and 1: one each"},
		"platform.cipher.names":             {chinese: "信封里两个成员的名字，平台另有叫法时写", english: "the members of the envelope, where the platform has others"},
		"platform.cipher.names.encrypted":   {chinese: "会话密钥那个成员", english: "the member with the session key", example: "encrypted"},
		"platform.cipher.names.requestData": {chinese: "密文那个成员", english: "the member with the sealed record", example: "requestData"},
		"platform.timeout":                  {chinese: "等平台应答多久", english: "how long to wait for an answer"},
		"platform.concurrency":              {chinese: "同时送几条（改了要重启）", english: "records under way at once; a change needs a restart"},
		"platform.rate":                     {chinese: "每秒最多送几条；0 不限", english: "records a second at most, of each process; 0: any number"},
		"platform.later":                    {chinese: "哪些返回码表示过会儿再送", english: "codes that mean: try again later"},
		"platform.delivered":                {chinese: "哪些返回码也算已送达（如：已存在）", english: "codes that mean, as 0 does, that the platform has the record"},
		"platform.maxAttempts":              {chinese: "最多送几次，之后进死信；0 不放弃", english: "tries before a record is a dead letter; 0: never give up"},
		"platform.prerequisites":            {chinese: "前置接入：order 等还在本机的登记先送，strict 等登记被接受，off 不管", english: "order: wait for a registration that is still here; strict: until it was accepted; off", values: prerequisiteModes},
		"platform.newest":                   {chinese: "积压时每一百条里先送几条最新的；0 按先后", english: "how many of a hundred deliveries go to the newest events while there is a backlog; 0: in order"},
		"platform.maxPicture":               {chinese: "平台收的最大图片（不算 Base64）；0 不限", english: "the largest picture that the platform takes, without its Base64; 0: no limit"},
		"platform.integers":                 {chinese: "Integer 字段怎么写：number 数字，string 字符串", english: "how Integer fields go on the wire", values: integerForms},
		"platform.pictures":                 {chinese: "图片怎么写：base64，或前面带 data: 的 data-uri", english: "how pictures go on the wire", values: pictureForms},
		"platform.quirks":                   {chinese: "平台与规范不一样的地方", english: "how this platform departs from the standard", values: quirkNames},
		"platform.dictionaries":             {chinese: "平台自己的字典（规范 1.6）", english: "the platform's own dictionaries"},
		"platform.dictionaries.refresh":     {chinese: "多久取一次；0 不取", english: "how often they are asked for; 0: never"},
		"platform.dictionaries.folder":      {chinese: "最近一次的副本放在站点的哪个文件夹", english: "the site's folder for the last good copies"},
		"platform.dictionaries.paths":       {chinese: "哪个字典在平台上是别的路径：{ZD035: wd/wyrygwdm}", english: "by code, where the platform has another path"},
		"store":                             {chinese: "记录存在哪里（改了要重启）", english: "where records are kept; a change needs a restart"},
		"store.disk":                        {chinese: "本机的文件夹", english: "a folder of this machine", example: "data"},
		"store.redis":                       {chinese: "多副本：全部放在 Redis", english: "many replicas: everything in a Redis", example: "redis://192.0.2.5:6379"},
		"store.dedup":                       {chinese: "多副本：记录在各自的磁盘，去重键放在这个 Redis", english: "many replicas: records on each one's disk, dedup keys in this Redis"},
		"store.key":                         {chinese: "落盘加密的密钥：file:文件名 或 64 位十六进制", english: "seals entries at rest: file:NAME or 64 hex digits", example: "file:store.key"},
		"store.maxBytes":                    {chinese: "最多占多大", english: "of all entries, on disk"},
		"store.minFree":                     {chinese: "给别人留多少磁盘；0 是 5 %，至少 2 GB", english: "of the disk, left to others; 0: 5 %, at least 2 GB, at most 10 %"},
		"store.prefix":                      {chinese: "Redis 里键名的前缀", english: "what the names of its keys begin with"},
		"store.partitions":                  {chinese: "Redis Cluster 分成几份；首次启动后不能改", english: "partitions in a cluster; fixed by the first start"},
		"store.replicas":                    {chinese: "几个 Redis 从库收到才算存好", english: "replicas of the server that must have what is acknowledged"},
		"dedup":                             {chinese: "去重", english: "duplicates"},
		"dedup.window":                      {chinese: "多久以内再来一次算重复", english: "for how long a resend is a duplicate"},
		"dedup.onOutage":                    {chinese: "store.dedup 的 Redis 断开时：admit 照收，refuse 回 503", english: "while the Redis of store.dedup is away", values: onOutage},
		"dead":                              {chinese: "死信的上限：最旧的先丢，有统计和日志", english: "bounds of the dead letters: the oldest fall off, counted and logged"},
		"dead.maxAge":                       {chinese: "最多留多久", english: "how long they are kept"},
		"dead.maxBytes":                     {chinese: "最多占多大", english: "how much they may take"},
		"sources":                           {chinese: "使用哪些来源：内置的，或 mappings/ 里的", english: "the sources in use: bundled ones, or those in mappings/", example: "[hikvision, dahua]"},
		"tables":                            {chinese: "站点的表：{devices: tables/devices.csv}", english: "the site's tables, a file each"},
		"tables.*.file":                     {chinese: "CSV 文件", english: "the CSV file", example: "tables/doors.csv"},
		"tables.*.key":                      {chinese: "按哪几列查；默认第一列", english: "the columns that rows are found by; by default the first", example: "[building, door]"},
		"admin":                             {chinese: "给人和探针的监听，不给设备", english: "the listener for people and probes, never for devices"},
		"admin.listen":                      {chinese: "地址", english: "its address"},
		"admin.password":                    {chinese: "打开控制台要输的密码（用户名随意）；不写时控制台只给本机用", english: "what the console asks for, with any user; without one it is for this machine only", example: "${YIQIAO_CONSOLE_PASSWORD}"},
		"pictures":                          {chinese: "取回只给地址的图片（映射里的 fetch）", english: "how pictures are fetched that an event only names (fetch in a mapping)"},
		"pictures.from":                     {chinese: "允许去取的地址：IP、网段（192.0.2.0/24）或主机名；不写就哪里也不去。本机、链路本地、云元数据等地址只有单独写出才允许", english: "addresses that may be asked: an address, a range or a host name; none: nobody is asked. Loopback, link-local and metadata addresses need an entry of their own", example: "[192.0.2.0/24, isc.example.com]"},
		"pictures.user":                     {chinese: "取图的用户名；设备表有 user、password 列时以设备的为准", english: "the user, for devices whose row has no user and password"},
		"pictures.password":                 {chinese: "取图的密码；写 ${名字} 从环境变量取", english: "the password; ${NAME} takes it from the environment", example: "${CAMERA_PASSWORD}"},
		"pictures.certificates":             {chinese: "https 证书：verify 要验证，any 设备自己签的也收", english: "of https: verify them, or take any, as devices sign their own", values: certificateModes},
		"pictures.timeout":                  {chinese: "一张图最多等多久", english: "how long one picture may take"},
		"pictures.maxBytes":                 {chinese: "一张图最大多大", english: "of one picture"},
		"pictures.patience":                 {chinese: "取不到时试多久，之后进死信（缺图片）", english: "how long after its event a picture is tried before the record is a dead letter"},
		"pictures.concurrency":              {chinese: "同时处理几条记录的图片（改了要重启）", english: "records whose pictures are made at once; a change needs a restart"},
		"limits":                            {chinese: "设备最多能占多少", english: "what devices can ask of the process"},
		"limits.body":                       {chinese: "一个请求最大多大", english: "of one request"},
		"limits.memory":                     {chinese: "所有在途请求一共多大（改了要重启）", english: "of all requests under way; a change needs a restart"},
		"limits.connections":                {chinese: "设备一共最多同时几个连接；0 不限（改了要重启）", english: "connections of devices at once; 0: any number; a change needs a restart"},
		"limits.connectionsPerAddress":      {chinese: "一个地址最多同时几个连接；0 不限；设备都在一个网关后面时是同一个地址（改了要重启）", english: "of one remote address; 0: any number; devices behind one gateway have one address; a change needs a restart"},
		"log":                               {chinese: "日志（改了要重启）", english: "the log; a change needs a restart"},
		"log.format":                        {chinese: "格式", english: "its format", values: logFormats},
		"log.level":                         {chinese: "从哪一级开始写", english: "the least grave that is written", values: logLevels},
		"reload":                            {chinese: "文件改了以后：auto 马上用新规则；confirm 等人用 yiqiao reload -accept 接受", english: "when files change: auto takes the new rules at once; confirm waits for yiqiao reload -accept", values: reloadModes},
		"reload.mode":                       {chinese: "auto 马上用，confirm 等人接受", english: "auto: at once; confirm: when a person accepts", values: reloadModes},
		"reload.events":                     {chinese: "新规则先在每个来源最近多少个事件上试；0 不试", english: "how many of each source's last events new rules are tried on; 0: none"},
		"reload.bytes":                      {chinese: "这些事件一共最多占多少内存（图片只留头尾）", english: "the memory that these events may take together (of pictures only the ends are kept)"},
	}
}

// ConfigKeys are the keys of yiqiao.yaml, with what they may hold and why.
func ConfigKeys() []transform.KeyDoc {
	d := defaults()
	return configKeys(reflect.ValueOf(d), "", configWords())
}

func configKeys(section reflect.Value, prefix string, words map[string]keyWords) (docs []transform.KeyDoc) {
	for i := range section.NumField() {
		name := section.Type().Field(i).Tag.Get("yaml")
		if name == "" {
			continue
		}
		w, v := words[prefix+name], section.Field(i)
		d := transform.KeyDoc{Name: name, Required: w.required, Chinese: w.chinese, English: w.english, Values: w.values, Example: w.example, Default: written(v)}
		switch v.Interface().(type) {
		case time.Duration:
			d.Kind = transform.Duration
		case Size:
			d.Kind = transform.Bytes
		case int:
			d.Kind = transform.Whole
		case float64:
			d.Kind = transform.Number
		case string:
			d.Kind = transform.Text
		case []string:
			d.Kind = transform.TextList
		case map[string]string:
			d.Kind = transform.Named
		case map[string]TableConfig:
			d.Kind, d.Keys = transform.NamedTextOr, configKeys(reflect.ValueOf(TableConfig{}), prefix+name+".*.", words)
		case ReloadConfig:
			d.Kind, d.Keys = transform.TextOr, configKeys(v, prefix+name+".", words)
		default:
			d.Kind, d.Keys = transform.Section, configKeys(v, prefix+name+".", words)
		}
		docs = append(docs, d)
	}
	return docs
}

// written is a default as a person would write it; empty: it has none.
func written(v reflect.Value) string {
	if v.IsZero() || v.Kind() == reflect.Struct {
		return ""
	}
	switch v := v.Interface().(type) {
	case time.Duration:
		return strings.Replace(strings.Replace(v.String(), "m0s", "m", 1), "h0m", "h", 1)
	case Size:
		return sizeText(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v.Interface())
}

func sizeText(s Size) string {
	for _, u := range []struct {
		name string
		size Size
	}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}} {
		if s%u.size == 0 {
			return fmt.Sprintf("%d%s", s/u.size, u.name)
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
