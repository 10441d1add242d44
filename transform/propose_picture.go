package transform

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"yiqiao/transform/event"
	"yiqiao/transform/spec"
)

// pictureAt is a picture of the sample.
type pictureAt struct {
	leaf   *leaf  // in the document; nil: a part
	part   string // the name by which part() finds it
	words  []string
	size   int
	inList bool   // of a list of pictures that a member tells apart
	member string // that member
	kind   any    // its value for this one
}

// findPictures collects the pictures of parts and document.
func (p *proposer) findPictures() {
	for _, part := range p.event.Parts {
		data := p.event.Blobs[part.Blob].Data
		if event.PictureType(data) == "" {
			continue
		}
		at := pictureAt{size: len(data)}
		for _, n := range []string{part.Name, part.Filename, part.ContentID, part.Type} {
			if at.part == "" {
				at.part = n
			}
			at.words = append(at.words, wordsOf(n)...)
		}
		p.pictures = append(p.pictures, at)
	}
	for _, l := range p.tree.leaves {
		p.picturesOf(l)
	}
}

// picturesOf adds the pictures that stand at a leaf: several, where a list of
// them has a member that tells them apart.
func (p *proposer) picturesOf(l *leaf) {
	var all []pictureAt
	for _, v := range l.values {
		if v.picture == 0 {
			continue
		}
		at := pictureAt{leaf: l, size: v.picture * 3 / 4}
		for _, s := range l.steps[max(0, len(l.steps)-3):] {
			at.words = append(at.words, wordsOf(s.name)...)
		}
		all = append(all, at)
	}
	if len(all) == 0 {
		return
	}
	list := l.innermost()
	if list != nil && aboutPictures(list[len(list)-1].name) {
		for i := range all {
			all[i].inList = true
		}
	}
	if len(all) > 1 && list != nil {
		for _, sibling := range p.tree.leaves {
			if len(sibling.steps) != len(list)+1 || !sibling.within(list) || !slices.Contains([]string{"type", "kind", "name", "imagetype", "pictype", "picturetype", "id", "index"}, collapsed(sibling.name())) {
				continue
			}
			if p.toldApart(l, sibling, all) {
				p.pictures = append(p.pictures, all...)
				return
			}
		}
	}
	p.pictures = append(p.pictures, all[0])
}

// toldApart gives each picture the value of the sibling in its element, and
// tells whether they all differ.
func (p *proposer) toldApart(l, sibling *leaf, all []pictureAt) bool {
	n := 0
	var kinds []string
	for _, v := range l.values {
		if v.picture == 0 {
			continue
		}
		i := slices.IndexFunc(sibling.values, func(s leafValue) bool { return s.element == v.element })
		if i < 0 || sibling.values[i].text == "" {
			return false
		}
		if slices.Contains(kinds, sibling.values[i].text) {
			return false // of several events, not several pictures of one
		}
		kinds = append(kinds, sibling.values[i].text)
		all[n].inList, all[n].member, all[n].kind = true, sibling.name(), sibling.values[i].is
		n++
	}
	return true
}

func aboutPictures(name string) bool {
	return slices.ContainsFunc(wordsOf(name), func(w string) bool {
		return slices.Contains([]string{"image", "images", "pic", "pics", "picture", "pictures", "photo", "photos"}, w)
	})
}

// picture guesses which picture a field wants: by words, else by size.
func (p *proposer) picture(f *spec.Field) (expr, why string) {
	if len(p.pictures) == 0 {
		if l := p.pictureURL(); l != nil {
			return "", fmt.Sprintf("%s 是图片的地址，不是图片：让设备直接发图片", p.at(l))
		}
		return "", "没有像图片的值：在设备里打开“上传图片”"
	}
	if l := p.picked[f.Name]; l != nil {
		return "picture(" + p.at(l) + ")", "名字就是规范里的"
	}
	for i := range p.pictures {
		if l := p.pictures[i].leaf; l != nil && collapsed(l.name()) == collapsed(f.Name) {
			p.used[l] = true
			return "picture(" + p.at(l) + ")", "名字就是规范里的"
		}
	}
	small, big := p.smallAndBig()
	chosen, word := small, "小图"
	if strings.Contains(f.Name, "Big") {
		chosen, word = big, "大图"
	}
	at := &p.pictures[chosen]
	if at.leaf != nil {
		p.used[at.leaf] = true
	}
	why = fmt.Sprintf("像图片（%d 字节）", at.size)
	switch {
	case len(p.pictures) == 1:
		why += "；只有一张，大图小图都用它"
	default:
		why += fmt.Sprintf("，%d 张里按名字和大小猜是%s", len(p.pictures), word)
	}
	return "picture(" + p.pictureText(at) + ")", why
}

func (p *proposer) pictureText(at *pictureAt) string {
	switch {
	case at.leaf == nil:
		return fmt.Sprintf("part(%q)", at.part)
	case at.member == "":
		return p.at(at.leaf)
	}
	list := at.leaf.innermost()
	kind := fmt.Sprint(at.kind)
	if s, ok := at.kind.(string); ok {
		kind = strconv.Quote(s)
	}
	return chain(fmt.Sprintf("find(%s ?? [], #%s == %s)?", strings.TrimSuffix(p.place(list), "[0]"), chain("", []leafStep{{name: at.member}}), kind), at.leaf.steps[len(list):])
}

// smallAndBig are indices of pictures: the same one if there is only one.
func (p *proposer) smallAndBig() (small, big int) {
	words := smallWords
	if p.to.FieldIndex("carNo") >= 0 {
		words = vehicleWords
	}
	// The rank of a picture is that of its most telling word.
	rank := func(at *pictureAt, words []string) int {
		for n, w := range words {
			if slices.Contains(at.words, w) {
				return n
			}
		}
		return len(words)
	}
	better := func(i, than int, words, other []string, smaller bool) bool {
		a, b := &p.pictures[i], &p.pictures[than]
		if ra, rb := rank(a, words), rank(b, words); ra != rb {
			return ra < rb
		}
		if ra, rb := rank(a, other), rank(b, other); (ra == len(other)) != (rb == len(other)) {
			return ra == len(other)
		}
		if smaller {
			return a.size < b.size
		}
		return a.size > b.size
	}
	for i := range p.pictures {
		if better(i, small, words, bigWords, true) {
			small = i
		}
		if better(i, big, bigWords, words, false) {
			big = i
		}
	}
	if small == big && len(p.pictures) > 1 {
		// The one picture is both by its words: the other side goes by size.
		for i := range p.pictures {
			if i != small && (big == small || p.pictures[i].size > p.pictures[big].size) {
				big = i
			}
		}
		if p.pictures[big].size < p.pictures[small].size {
			small, big = big, small
		}
	}
	return small, big
}

// pictureURL is a leaf with the address of a picture.
func (p *proposer) pictureURL() *leaf {
	for _, l := range p.tree.leaves {
		v := strings.ToLower(l.first().text)
		if (strings.HasPrefix(v, "http://") || strings.HasPrefix(v, "https://") || strings.HasPrefix(v, "/")) &&
			(aboutPictures(l.name()) || strings.Contains(v, ".jp") || strings.HasSuffix(strings.ToLower(l.name()), "url")) {
			return l
		}
	}
	return nil
}
