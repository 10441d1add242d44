package platformtest_test

import (
	"strings"
	"testing"

	"yiqiao/proxy/platform"
	"yiqiao/proxy/platform/platformtest"
)

// A record that comes before what it refers to is refused, and says what is
// missing; one caller's registrations are not another's.
func TestPrerequisites(t *testing.T) {
	const camera = `{"zpjbm":"34010241011328001001","mc":"东门","ip":"192.0.2.21","xqbm":"340102001001001","jd":"117.302269","wd":"31.895616","lx":"2","fx":"1"}`
	const area = `{"xqbm":"340102001001001","xqmc":"测试小区","ssqXzqhdm":"340102000000","gajgjgdm":"340103480000","sqdm":"340102001001","xxdz":"某市某区1号","wymc":"某物业","jd":"117.200164","wd":"31.839976","dtzbj":"117.198149,31.840765;117.198719,31.840920;117.201282,31.840595","jscj":"某公司","fzr":"某甲","lxdh":"10000000000","jyxm":"某乙","jybh":"066777","jylxfs":"10000000001"}`
	var options platformtest.Options
	b := newBed(t, func(o *platformtest.Options, _ *platform.Config) { o.Prerequisites, options = true, *o })
	refused := func(iface, doc, missing string) {
		t.Helper()
		v := b.post(t, iface, doc)
		if v.Kind != platform.Rejected || v.Code != platformtest.CodeEarlier || v.Message != missing {
			t.Errorf("%s: %v, want code %s: %s", iface, v, platformtest.CodeEarlier, missing)
		}
	}
	taken := func(iface, doc string) {
		t.Helper()
		if v := b.post(t, iface, doc); v.Kind != platform.Delivered {
			t.Errorf("%s: %v", iface, v)
		}
	}
	refused("stk/sbzt", status, "areaNo（小区编码）：小区基础信息 340102001001001（xq）尚未接入（前置接入，规范第 16 章）；deviceID（设备编码）：抓拍机基础信息 34010241011328001001（zpj）尚未接入（前置接入，规范第 16 章）")
	refused("zpj", camera, "xqbm（小区编码）：小区基础信息 340102001001001（xq）尚未接入（前置接入，规范第 9 章）")
	if v := b.post(t, "xq", strings.Replace(area, `"xqmc":"测试小区"`, `"xqmc":""`, 1)); v.Code != platformtest.CodeRecord {
		t.Errorf("a bad xq: %v", v)
	}
	refused("zpj", camera, "xqbm（小区编码）：小区基础信息 340102001001001（xq）尚未接入（前置接入，规范第 9 章）")
	taken("xq", area)
	taken("zpj", camera)
	taken("stk/sbzt", status)
	if c := b.Counts(); c.Accepted != 3 || c.Refused != 4 {
		t.Errorf("counts %+v", c)
	}

	options.Prerequisites, options.Catalogue = true, nil
	if _, err := platformtest.New(options); err == nil || !strings.Contains(err.Error(), "want a catalogue") {
		t.Errorf("prerequisites without a catalogue: %v", err)
	}
}
