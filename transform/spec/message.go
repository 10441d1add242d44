package spec

import (
	"fmt"
	"unicode/utf8"
)

var (
	required    = Phrase{"a value", "必填"}
	leftOut     = Phrase{"nothing", "不传"}
	nothing     = Phrase{"nothing", "没有值"}
	emptyText   = Phrase{"an empty text", "空文本"}
	emptyList   = Phrase{"an empty list", "空列表"}
	wantText    = Phrase{"a text", "文本（String）"}
	wantInteger = Phrase{"an integer", "整数（Integer）"}
	wantList    = Phrase{"a list of objects", "对象列表"}
	wantObject  = Phrase{"an object", "对象"}
	wantPicture = Phrase{"a picture in Base64", "Base64 图片（GF005）"}
	wantFormats = Phrase{"a picture (JPEG, PNG, GIF, BMP, …)", "图片（JPEG、PNG、GIF、BMP 等，规范 1.8）"}
)

func gotNothing(v *Value) Phrase {
	switch v.Kind {
	case Text:
		return emptyText
	case Array:
		return emptyList
	}
	return nothing
}

func (f *Field) wantType() Phrase {
	if f.Type == Integer {
		return wantInteger
	}
	return wantText
}

func (f *Field) wantLength() Phrase {
	of, unit := "characters", "字符"
	if f.Type == List {
		of, unit = "objects", "对象"
	}
	switch {
	case f.Max == 0:
		return Phrase{fmt.Sprintf("at least %d %s", f.Min, of), fmt.Sprintf("至少 %d 个%s", f.Min, unit)}
	case f.Min == f.Max:
		return Phrase{fmt.Sprintf("%d %s", f.Max, of), fmt.Sprintf("%d 个%s", f.Max, unit)}
	case f.Min > 0:
		return Phrase{fmt.Sprintf("%d to %d %s", f.Min, f.Max, of), fmt.Sprintf("%d 到 %d 个%s", f.Min, f.Max, unit)}
	}
	return Phrase{fmt.Sprintf("at most %d %s", f.Max, of), fmt.Sprintf("最多 %d 个%s", f.Max, unit)}
}

func (f *Field) gotLength(v *Value, n int) Phrase {
	g := f.got(v)
	return Phrase{fmt.Sprintf("%d: %s", n, g.English), fmt.Sprintf("%d 个：%s", n, g.Chinese)}
}

func (r *Range) want() Phrase {
	return Phrase{fmt.Sprintf("an integer from %d to %d", r.Low, r.High), fmt.Sprintf("%d 到 %d 的整数", r.Low, r.High)}
}

// wantPrefix says that another field begins with this one's value.
func (f *Field) wantPrefix(v *Value) Phrase {
	g := f.got(v)
	return Phrase{fmt.Sprintf("what begins with %s %s", f.Name, g.English), fmt.Sprintf("以 %s（%s）%s 开头", f.Name, f.Label, g.Chinese)}
}

// got shows a value, masked and cut.
func (f *Field) got(v *Value) Phrase {
	if f.Type == List {
		return v.kind() // its fields are masked one by one, if at all
	}
	switch v.Kind {
	case Missing:
		return nothing
	case Picture:
		return Phrase{fmt.Sprintf("a picture of %d bytes", len(v.Data)), fmt.Sprintf("图片（%d 字节）", len(v.Data))}
	case Number:
		return Phrase{"the number " + f.Masked(v.Text), "数字 " + f.Masked(v.Text)}
	case Array, Object:
		return v.kind()
	case Other:
		return same(f.Masked(v.Text))
	}
	return same(fmt.Sprintf("%q", cut(f.Masked(v.Text))))
}

// cut shortens what a message shows.
func cut(s string) string {
	const most = 64
	if utf8.RuneCountInString(s) > most {
		return string([]rune(s)[:most]) + "…"
	}
	return s
}

// kind says what a value is, and nothing of what it holds.
func (v *Value) kind() Phrase {
	switch v.Kind {
	case Missing:
		return nothing
	case Text, Picture:
		return Phrase{"a text", "文本"}
	case Number:
		return Phrase{"a number", "数字"}
	case Array:
		return Phrase{fmt.Sprintf("a list of %d", len(v.Items)), fmt.Sprintf("列表（%d 项）", len(v.Items))}
	case Object:
		return wantObject
	}
	return Phrase{"another value", "别的值"}
}

// size says how large a picture is.
func size(bytes int) Phrase {
	return Phrase{fmt.Sprintf("%d bytes", bytes), fmt.Sprintf("%d 字节", bytes)}
}
