package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"yiqiao/transform/spec"
)

// starterConfig is the yiqiao.yaml of a new site.
//
//go:embed starter.yaml
var starterConfig []byte

// siteFile is a file of a new site; its name has slashes.
type siteFile struct {
	name string
	data []byte
}

func runInit(_ context.Context, std stdio, args []string) error {
	f := flags("init")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return usagef("want the folder of the new site")
	}
	dir := words[0]
	catalogue, err := spec.Load()
	if err != nil {
		return err
	}
	files := []siteFile{
		{"yiqiao.yaml", starterConfig},
		{"tables/devices.csv", []byte("\xEF\xBB\xBF" + "id,name,xqbm,zpjbm,mjxtbm,dzbm,ip,jd,wd,lx,fx\n" +
			"# id：设备的 IP、MAC 或 URL 里的编号，几个用 | 隔开；zpjbm 抓拍机编码（20 位），mjxtbm 门禁系统编码（22 位），dzbm 道闸编码（22 位），xqbm 小区编码（15 位）\n" +
			"192.0.2.21|44:19:b6:00:00:01,东门人脸,340102001001001,34010241011328001001,,,192.0.2.21,117.302269,31.895616,2,1\n")},
		{"tables/people.csv", []byte("\xEF\xBB\xBF" + "id,name,zjhm\n" +
			"# id：设备里的工号、卡号，几个用 | 隔开；zjhm 证件号码\n")},
		{"mappings/README.md", []byte("这里放本项目自己的映射：<厂商>/source.yaml 和 <厂商>/<事件>.yaml。\n与内置的同名文件会替换内置的；改动保存后自动生效。\n")},
		{".gitignore", []byte("data/\n")},
	}
	schemas, err := schemaFiles(catalogue)
	if err != nil {
		return err
	}
	files = append(files, schemas...)
	if _, err := os.Stat(filepath.Join(dir, "yiqiao.yaml")); err == nil {
		return fmt.Errorf("%s is a site already", dir)
	}
	for _, file := range files { // before the first is written: no half of a site
		name := filepath.Join(dir, filepath.FromSlash(file.name))
		if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
			return errors.Join(err, fmt.Errorf("%s is there already, and init overwrites nothing", name))
		}
	}
	for _, file := range files {
		name := filepath.Join(dir, filepath.FromSlash(file.name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		out, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = out.Write(file.data)
		if err := errors.Join(err, out.Close()); err != nil {
			return err
		}
	}
	fmt.Fprintf(std.out, `%[1]s is a site now.
  1. edit %[1]s/yiqiao.yaml: platform.url, and platform.pub (the publicKey from the platform's administrator)
  2. edit %[1]s/tables/devices.csv: one row for each device
  3. export YIQIAO_APP_KEY=…          the appKey from the platform's administrator
  4. yiqiao check -site %[1]s && yiqiao serve -site %[1]s
An editor with yaml-language-server (VS Code: the YAML extension) knows the keys and fields: mappings/*.schema.json.
No platform yet? yiqiao platform -listen 127.0.0.1:8000 -private-key platform.key -records records.jsonl
makes one, with its key; copy platform.key.pub to %[1]s/platform.pub.
`, dir)
	return nil
}
