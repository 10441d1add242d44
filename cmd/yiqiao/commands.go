package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"yiqiao/transform/message"
)

// stdio is where a command reads and writes, so that tests run it in-process.
type stdio struct {
	in       io.Reader
	out, err io.Writer
	lang     *message.Language // nil: the environment's; see languageFlag
}

// Exit codes: 0 all well, 1 the command found something or could not do its
// work, 2 it was called wrongly.
const (
	exitOK = iota
	exitFailed
	exitUsage
)

type command struct {
	name, args, short string
	run               func(ctx context.Context, io stdio, args []string) error
}

// commands in the order in which a newcomer needs them.
func commands() []command {
	return []command{
		{"demo", "[-for DURATION]", "platform, proxy and simulated devices in one process: see records arrive", runDemo},
		{"init", "DIR", "make a starter site", runInit},
		{"serve", "[-site DIR]", "the daemon", runServe},
		{"reload", "[-site DIR] [-show|-accept|-reject [GENERATION]] [-json]", "a running daemon loads its files and tells what they change for past events; take or drop what waits", runReload},
		{"diff", "OLD NEW -events DIR [-json]", "what two sites, or two folders of mappings, make of the same events", runDiff},
		{"check", "[-site DIR] [PATH…]", "load everything, print every problem, touch nothing", runCheck},
		{"test", "[-site DIR] [-run RE] [-update] [-v] [-cover] [-junit FILE] [PATH…]", "run the cases beside the mappings", runTest},
		{"new", "VENDOR/EVENT -from SAMPLE -to INTERFACE [-site DIR] [-lang en|zh]", "propose a mapping from a sample of what the device sends", runNew},
		{"map", "[-site DIR] [-trace] [-json] [-seal] VENDOR/EVENT [FILE|ID]", "one payload in (a file, standard input, a dead letter), its records out; -trace tells why", runMap},
		{"spec", "[-lang en] [INTERFACE|ZDnnn|GFnnn|functions|WORD] | -json | -markdown | -schema [INTERFACE]", "the standard to read: fields, conditions, dictionaries, formats, functions; to search it", runSpec},
		{"schema", "mapping|fragment|source|site [-o FILE] | -site DIR", "JSON Schema of the files that you write, for editors; -site writes all into a site", runSchema},
		{"import", "-to INTERFACE FILE [-site DIR] [-dry-run] | -template INTERFACE [FILE]", "register what stands in a sheet: CSV, XLSX or JSON lines; or an empty sheet to fill in", runImport},
		{"capture", "[SOURCE] [-site DIR] [-n N] [-for DURATION] [-to DIR] [-replace]", "keep the next requests of a source, or all, as .http files", runCapture},
		{"dead", "list|summary|show|export|import|retry|drop [-site DIR] [ID…]", "look at dead letters and at what waits, map them again, drop them", runDead},
		{"devices", "[-site DIR] [-state STATE] [-json]", "which devices are there: last seen, events, last problem", runDevices},
		{"store", "stats|verify|compact|export|rekey [-site DIR]", "what the store holds, whether it is sound, less of the disk, its originals as files; a new key", runStore},
		{"platform", "-listen ADDR -private-key FILE -records FILE [-strict|-lenient]", "a simulated platform", runPlatform},
		{"simulate", "VENDOR [-target URL | -listen ADDR] [-devices N] [-rate R] [-for D] [-late F] [-resend F] [-clock D]", "simulated devices that speak a vendor's protocol, and read its answers strictly", runSimulate},
		{"health", "[-site DIR] [-url URL]", "ask a running daemon whether it is ready (for HEALTHCHECK)", runHealth},
		{"version", "", "print the version", runVersion},
	}
}

func (c command) usage() string { return strings.TrimRight("usage: yiqiao "+c.name+" "+c.args, " ") }

// usageError says that a command was called wrongly.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// helpError says that a command was asked with -h to explain its flags.
type helpError struct{ flags string }

func (helpError) Error() string { return flag.ErrHelp.Error() }

// errFindings ends a command with exit code 1; what there is to say was said.
var errFindings = errors.New("findings")

func run(ctx context.Context, io stdio, args []string) int {
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		help(io.out)
		if len(args) == 0 {
			return exitUsage
		}
		return exitOK
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, io, args[1:])
		var usage usageError
		var asked helpError
		switch {
		case err == nil:
			return exitOK
		case errors.As(err, &asked):
			fmt.Fprintf(io.out, "%s\n%s\n%s", c.usage(), c.short, asked.flags)
			return exitOK
		case errors.Is(err, errFindings):
			return exitFailed
		case errors.As(err, &usage):
			fmt.Fprintf(io.err, "yiqiao %s: %v\n%s\n", c.name, err, c.usage())
			return exitUsage
		}
		fmt.Fprintf(io.err, "yiqiao %s: %v\n", c.name, err)
		return exitFailed
	}
	fmt.Fprintf(io.err, "yiqiao: unknown command %q; yiqiao help lists them\n", args[0])
	return exitUsage
}

func help(w io.Writer) {
	fmt.Fprintf(w, "yiqiao 译桥: devices' events in, records of 《智慧社区平台标准数据接入规范 V1.0.4》 out\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %s\n             %s\n", strings.TrimRight(fmt.Sprintf("yiqiao %-9s %s", c.name, c.args), " "), c.short)
	}
	fmt.Fprintf(w, "\nyiqiao COMMAND -h explains a command's flags.\n-lang zh: problems and refusals in Chinese, as with LANG=zh_CN.UTF-8. 用中文说明问题：加 -lang zh。\n")
}

// flags makes a flag set that prints nothing by itself: parse tells what is
// wrong, run prints it.
func flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet("yiqiao "+name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	return f
}

// parse parses flags that may stand before and behind the other words.
func parse(f *flag.FlagSet, args []string) ([]string, error) {
	var words []string
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				var text strings.Builder
				f.SetOutput(&text)
				f.PrintDefaults()
				return nil, helpError{text.String()}
			}
			return nil, usageError{err.Error()}
		}
		args = f.Args()
		if len(args) == 0 {
			return words, nil
		}
		words = append(words, args[0])
		args = args[1:]
	}
}

func runVersion(_ context.Context, io stdio, args []string) error {
	if words, err := parse(flags("version"), args); err != nil || len(words) > 0 {
		return errors.Join(err, unexpected(words))
	}
	version, revision := "devel", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			version = v
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	fmt.Fprintf(io.out, "yiqiao %s%s %s %s/%s, 规范 V1.0.4\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
