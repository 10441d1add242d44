package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"yiqiao/transform/event"
)

// maxPictureFile bounds a picture's file, in bytes.
const maxPictureFile = 8 << 20

// pictures reads pictures by the names in cells. os.Root keeps them inside of
// its folder, whatever a cell or a link says.
type pictures struct {
	dir  string
	root *os.Root
}

func openPictures(dir string) (*pictures, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("照片的文件夹打不开：%w", err)
	}
	return &pictures{dir, root}, nil
}

func (p *pictures) close() { _ = p.root.Close() }

var pictureEndings = []string{".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"}

func isPictureName(s string) bool {
	for _, e := range pictureEndings {
		if strings.HasSuffix(strings.ToLower(s), e) {
			return true
		}
	}
	return false
}

// read is a columns.Pictures. A name may lack its ending, and may have the
// backslashes of Windows.
func (p *pictures) read(name string) ([]byte, error) {
	path := filepath.FromSlash(strings.ReplaceAll(name, `\`, "/"))
	if !filepath.IsLocal(path) {
		return nil, fmt.Errorf("照片 %q 不在文件夹 %s 里：只写文件名", name, p.dir)
	}
	tried := []string{path}
	if !isPictureName(path) {
		for _, e := range pictureEndings {
			tried = append(tried, path+e)
		}
	}
	for _, t := range tried {
		f, err := p.root.Open(t)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("照片 %q 打不开：%v", name, err)
		}
		defer f.Close()
		return p.bytes(f, name)
	}
	return nil, fmt.Errorf("文件夹 %s 里没有照片 %q：检查文件名，或用 -pictures 指定文件夹", p.dir, name)
}

func (p *pictures) bytes(f *os.File, name string) ([]byte, error) {
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%q 不是照片文件", name)
	case st.Size() > maxPictureFile:
		return nil, fmt.Errorf("照片 %q 有 %d MB，超过 %d MB：请缩小", name, st.Size()>>20, maxPictureFile>>20)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPictureFile))
	switch {
	case err != nil:
		return nil, fmt.Errorf("照片 %q 读不出来：%v", name, err)
	case event.PictureType(data) == "":
		return nil, fmt.Errorf("%q 不是照片：应为 JPEG、PNG、BMP 等（规范 1.8）", name)
	}
	return data, nil
}

func (p *pictures) base64(name string) (string, error) {
	data, err := p.read(name)
	return base64.StdEncoding.EncodeToString(data), err
}
