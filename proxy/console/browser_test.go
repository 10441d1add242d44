package console_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserFor is how long the browser may take for everything of one test.
const browserFor = 90 * time.Second

// browser is a real Chromium on a page of the bed.
func browser(t *testing.T) context.Context {
	t.Helper()
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("lang", "zh-CN"), chromedp.WSURLReadTimeout(60*time.Second))
	allocator, end := chromedp.NewExecAllocator(context.Background(), o...)
	t.Cleanup(end)
	ctx, endPage := chromedp.NewContext(allocator)
	t.Cleanup(endPage)
	ctx, endTime := context.WithTimeout(ctx, browserFor)
	t.Cleanup(endTime)
	chromedp.ListenTarget(ctx, func(e any) {
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("the page threw: %s", e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError {
				t.Errorf("the page complains: %s", e.Args[0].Value)
			}
		}
	})
	return ctx
}

func run(t *testing.T, ctx context.Context, what string, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var text string
		_ = chromedp.Run(ctx, chromedp.Text("body", &text))
		t.Fatalf("%s: %v; the page shows:\n%.2000s", what, err, text)
	}
}

// shows waits for a text in what a selector finds.
func shows(selector, text string) chromedp.Action {
	return chromedp.Poll(fmt.Sprintf(`[...document.querySelectorAll(%q)].some(e => e.textContent.includes(%q))`, selector, text), nil, chromedp.WithPollingTimeout(30*time.Second))
}

// press presses the button with a text.
func press(text string) chromedp.Action {
	return chromedp.Click(fmt.Sprintf(`//*[self::button or self::a][contains(., %q)]`, text), chromedp.BySearch, chromedp.NodeVisible)
}

// typed replaces what the editor holds as a person would: all of it selected
// and written over.
func typed(text string) chromedp.Action {
	return chromedp.Tasks{
		chromedp.Focus(".cm-content", chromedp.ByQuery),
		chromedp.Evaluate(`document.execCommand('selectAll')`, nil),
		chromedp.Evaluate(fmt.Sprintf(`document.execCommand('insertText', false, %q)`, text), nil),
	}
}

// shoot proves that the page fits a phone, and keeps pictures of it, if
// somebody wants to look at them.
func shoot(name string) chromedp.Action {
	dir := os.Getenv("YIQIAO_SCREENSHOTS")
	return chromedp.ActionFunc(func(ctx context.Context) error {
		var wide int
		if err := chromedp.Run(ctx, chromedp.EmulateViewport(390, 844), chromedp.Evaluate(`document.documentElement.scrollWidth`, &wide)); err != nil {
			return err
		}
		if wide > 390 {
			return fmt.Errorf("%s is %d pixels wide on a phone of 390", name, wide)
		}
		if dir == "" {
			return chromedp.Run(ctx, chromedp.EmulateViewport(1280, 800))
		}
		for _, v := range []struct {
			wide, high int64
			scheme     string
		}{{1280, 800, "light"}, {1280, 800, "dark"}, {390, 844, "light"}, {390, 844, "dark"}} {
			var png []byte
			media := emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme}})
			full := chromedp.CaptureScreenshot(&png)
			if v.wide < 600 {
				full = chromedp.FullScreenshot(&png, 100)
			}
			if err := chromedp.Run(ctx, chromedp.EmulateViewport(v.wide, v.high), media, full); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, v.wide, v.scheme)), png, 0o600); err != nil {
				return err
			}
		}
		return chromedp.Run(ctx, chromedp.EmulateViewport(1280, 800))
	})
}

// A person finds a dead letter, sees in the editor what is wrong, mends the
// mapping, sees the record, saves it and sends the letter on its way: in the
// browser alone.
func TestBrowserRepair(t *testing.T) {
	b := newBed(t, "")
	b.post("/acme/door-1", `{"time":"2026-01-02T03:04:05+08:00","person":"1001"}`)
	ctx := browser(t)
	old := bedFiles["mappings/acme/door.yaml"]
	broken := strings.Replace(old, "time(event.when)", "tiem(event.time)", 1)
	mended := strings.Replace(old, "event.when", "event.time", 1)

	run(t, ctx, "overview", chromedp.EmulateViewport(1280, 800), chromedp.Navigate(b.url), shows("h1", "正常接收事件"), shows("main", "有 1 条死信"), shoot("overview"))
	run(t, ctx, "dead letters", press("死信"), shows("h1", "1 条"), chromedp.Click(".group", chromedp.ByQuery), shows(".rows li", "door-1"), shoot("dead"))
	run(t, ctx, "live", press("实况"), shows("h1", "正在看"), chromedp.ActionFunc(func(context.Context) error {
		b.post("/acme/door-1", `{"time":"2026-01-02T03:04:06+08:00","person":"1001"}`)
		return nil
	}), shows(".happening", "不能映射"), chromedp.Click(".happening", chromedp.ByQuery), shows(".story", "accessTime"), shoot("live"))
	run(t, ctx, "dead letters again", press("死信"), shows("h1", "2 条"), chromedp.Click(".group", chromedp.ByQuery), shows(".rows li", "door-1"))
	run(t, ctx, "playground", press("在调试台打开"), shows(".outcome", "不能生成记录"), shows(".reason", "accessTime"), shoot("refused"))
	run(t, ctx, "a broken mapping is underlined where it is broken", typed(broken), shows(".cm-lintRange-error", "tiem"), shows(".problems", "是不是"), shoot("underlined"))
	run(t, ctx, "the mended mapping gives the record", typed(mended), shows(".outcome", "生成了记录"), shows(".record", "2026-01-02 03:04:05"), shows(".record", "3***5"), shoot("mended"))
	run(t, ctx, "what saving changes", press("保存到站点"), shows("dialog", "保存会改变什么"), shows("dialog", "2 条记录会不一样"), shoot("preview"))
	run(t, ctx, "saving", press("保存并使用"), shows(".toolbar", "正在使用"))
	if got, _ := os.ReadFile(filepath.Join(b.dir, "mappings/acme/door.yaml")); string(got) != mended {
		t.Fatalf("the site's file holds:\n%s", got)
	}
	run(t, ctx, "retry", press("重试这条死信"), shows(".toolbar", "生成了记录"))
	if err := b.accepted(ctx, 1); err != nil {
		t.Fatal(err)
	}
	run(t, ctx, "no dead letter is left", press("死信"), shows("h1", "1 条"), chromedp.Click(".group", chromedp.ByQuery), press("重试这 1 条"), shows("main", "没有死信"), shoot("none"))
	if err := b.accepted(ctx, 2); err != nil {
		t.Fatal(err)
	}
}

// What helps while writing: completion by what the standard, the site and the
// event hold; a pasted body; the reference.
func TestBrowserHelp(t *testing.T) {
	b := newBed(t, "")
	ctx := browser(t)
	run(t, ctx, "playground", chromedp.EmulateViewport(1280, 800), chromedp.Navigate(b.url+"/#/try?file=acme/door.yaml"), shows(".cm-content", "甲厂"))
	run(t, ctx, "a pasted body", press("粘贴或上传"), chromedp.SetValue(".paste input[list]", "/acme/door-1", chromedp.ByQuery), chromedp.Evaluate(`document.querySelector('.paste input[list]').dispatchEvent(new Event('input', {bubbles: true}))`, nil),
		chromedp.SendKeys("textarea", `{"when":"2026-01-02T03:04:05+08:00","person":"1001"}`, chromedp.ByQuery), shows(".outcome", "生成了记录"), shoot("pasted"))
	const head = "title: 新\nto: stk/rytxjl\nrecord:\n  "
	complete := func(text, want, label string) {
		t.Helper()
		run(t, ctx, "completion of "+want, typed(head), chromedp.SendKeys(".cm-content", text, chromedp.ByQuery), shows(".cm-tooltip-autocomplete li", want), shows(".cm-tooltip-autocomplete li", label))
	}
	complete("acce", "accessTime", "开门时间")
	complete("accessTime: event.w", "event.when", "文字")
	complete("accessTime: tim", "time", "time(value, layout…)")
	complete("areaNo: device.x", "device.xqbm", "设备表的列")
	run(t, ctx, "completion", shoot("completion"))
	run(t, ctx, "reference", press("规范"), shows("h1", "V1.0.4"), shoot("standard"), chromedp.SendKeys("input[type=search]", "抓拍时间", chromedp.ByQuery), shows("tbody th", "snapTime"), shoot("search"))
}
