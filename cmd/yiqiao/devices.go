package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"yiqiao/proxy"
	"yiqiao/transform/message"
)

// deviceWords are the states of a device, as a person reads them.
var deviceWords = map[string]message.Both{
	proxy.Online: {English: "online", Chinese: "在线"}, proxy.Offline: {English: "offline", Chinese: "离线"}, proxy.NeverSeen: {English: "never seen", Chinese: "从未见过"},
}

func runDevices(ctx context.Context, std stdio, args []string) error {
	f := flags("devices")
	languageFlag(f, &std)
	dir := f.String("site", ".", "folder of the site whose daemon is asked")
	base := f.String("url", "", "address of the daemon's admin listener, instead of the site's")
	state := f.String("state", "", "only those that are online, offline or never (seen)")
	asJSON := f.Bool("json", false, "as JSON, for programs")
	if words, err := parse(f, args); err != nil || len(words) > 0 {
		return errors.Join(err, unexpected(words))
	}
	if _, ok := deviceWords[*state]; !ok && *state != "" {
		return usagef("-state: want online, offline or never, got %q", *state)
	}
	a, err := newAdminClient(*dir, *base)
	if err != nil {
		return err
	}
	var all []proxy.DeviceState
	if err := a.call(ctx, "GET", "/-/devices", &all); err != nil {
		return err
	}
	list := []proxy.DeviceState{}
	counts := map[string]int{}
	for _, d := range all {
		counts[d.State]++
		if *state == "" || d.State == *state {
			list = append(list, d)
		}
	}
	if *asJSON {
		enc := json.NewEncoder(std.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(list)
	}
	writeDevices(std, list, time.Now())
	lang := std.language()
	if lang == message.Chinese {
		fmt.Fprintf(std.out, "在线 %d，离线 %d，从未见过 %d\n", counts[proxy.Online], counts[proxy.Offline], counts[proxy.NeverSeen])
		return nil
	}
	fmt.Fprintf(std.out, "%d online, %d offline, %d never seen\n", counts[proxy.Online], counts[proxy.Offline], counts[proxy.NeverSeen])
	return nil
}

// writeDevices writes a table: Chinese characters are two columns wide.
func writeDevices(std stdio, list []proxy.DeviceState, now time.Time) {
	lang := std.language()
	head := map[message.Language][]string{
		message.English: {"DEVICE", "NAME", "STATE", "LAST SEEN", "SOURCE", "EVENTS TODAY", "LAST PROBLEM"},
		message.Chinese: {"设备", "名称", "状态", "最后消息", "来源", "今天事件", "最近的问题"},
	}[lang]
	rows := [][]string{head}
	for _, d := range list {
		seen := "-"
		if d.Seen != nil {
			seen = ago(now.Sub(*d.Seen), lang)
		}
		problem := d.Problem
		if lang == message.Chinese {
			problem = cmp.Or(d.Chinese, d.Problem)
		}
		if problem, _, _ = strings.Cut(problem, "\n"); d.ProblemAt != nil {
			problem = d.ProblemAt.Local().Format("01-02 15:04 ") + short(problem)
		}
		rows = append(rows, []string{d.Device, d.Name, deviceWords[d.State].In(lang), seen, d.Source, fmt.Sprint(d.Events), problem})
	}
	widths := make([]int, len(head))
	for _, r := range rows {
		for i, c := range r {
			widths[i] = max(widths[i], message.Width(c))
		}
	}
	for _, r := range rows {
		var line strings.Builder
		for i, c := range r {
			line.WriteString(c)
			line.WriteString(strings.Repeat(" ", widths[i]-message.Width(c)+2))
		}
		fmt.Fprintln(std.out, strings.TrimRight(line.String(), " "))
	}
}

// short keeps what fits beside the other columns; -json has all of it.
func short(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

func ago(d time.Duration, lang message.Language) string {
	d = max(d, 0)
	units := []struct {
		of       time.Duration
		en, cn   string
		truncate time.Duration
	}{{24 * time.Hour, "d", "天", 48 * time.Hour}, {time.Hour, "h", "小时", time.Hour}, {time.Minute, "m", "分钟", time.Minute}, {time.Second, "s", "秒", 0}}
	for _, u := range units {
		if d >= u.truncate {
			if lang == message.Chinese {
				return fmt.Sprintf("%d %s前", d/u.of, u.cn)
			}
			return fmt.Sprintf("%d%s ago", d/u.of, u.en)
		}
	}
	return ""
}
