// Renders templates with Go's own text/template, so that the Go dialect can be held against it.
//
// Reads one JSON case a line (text, data, partials) and writes one answer a line ({"out": …} or {"err": …}).
// In data, {"$strings": {…}} is a map[string]string and {"$time": microseconds} a time.Time in UTC.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
	"unicode/utf8"
)

type partial struct{ File, Text string }

type testCase struct {
	Text     string
	Data     any
	Partials []partial
	Env      map[string]string
	Now      int64
}

type answer struct {
	Out string `json:"out"`
	Err string `json:"err,omitempty"`
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			if err := encoder.Encode(answerTo(line)); err != nil {
				panic(err)
			}
		}
		if err != nil {
			return
		}
	}
}

func answerTo(line []byte) (result answer) {
	defer func() {
		if r := recover(); r != nil {
			result = answer{Err: fmt.Sprint(r)}
		}
	}()
	var c testCase
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if err := decoder.Decode(&c); err != nil {
		panic(err)
	}
	c.Data = value(c.Data)
	out, err := render(c, false)
	if err != nil && (strings.Contains(err.Error(), "map has no entry for key") || strings.Contains(err.Error(), "nil data; no entry") ||
		strings.Contains(err.Error(), "nil pointer evaluating interface {}")) {
		// Go's three answers to a missing key are none of them ours, so ask again with every look-up made explicit.
		out, err = render(c, true)
	}
	if err != nil {
		return answer{Err: err.Error()}
	}
	if !utf8.ValidString(out) {
		return answer{Err: "no valid UTF-8"}
	}
	return answer{Out: out}
}

func render(c testCase, explicit bool) (string, error) {
	root := template.New("main").Option("missingkey=error")
	funcs := functions(c, root)
	root.Funcs(funcs)
	owners := map[string]string{}
	for _, p := range append(c.Partials, partial{"main", c.Text}) {
		parsed, err := template.New(p.File).Funcs(funcs).Parse(p.Text)
		if err != nil {
			return "", err
		}
		for _, t := range parsed.Templates() {
			if t.Tree == nil || t.Tree.Root == nil {
				continue
			}
			empty := parse.IsEmptyTree(t.Tree.Root)
			if owner, known := owners[t.Name()]; known && owner != p.File {
				if empty {
					continue
				}
				return "", fmt.Errorf("%s is defined in %s and in %s", t.Name(), owner, p.File)
			}
			if !empty {
				owners[t.Name()] = p.File
			}
			rewriteList(t.Tree.Root, explicit)
			if _, err := root.AddParseTree(t.Name(), t.Tree); err != nil {
				return "", err
			}
		}
	}
	var out strings.Builder
	if main := root.Lookup("main"); main == nil || main.Tree == nil {
		return "", nil
	}
	err := root.ExecuteTemplate(&out, "main", c.Data)
	return out.String(), err
}

func value(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.Atoi(v.String()); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = value(item)
		}
		return list
	case map[string]any:
		if inner, ok := v["$strings"].(map[string]any); ok {
			texts := map[string]string{}
			for key, item := range inner {
				texts[key] = item.(string)
			}
			return texts
		}
		if micros, ok := v["$time"].(json.Number); ok {
			n, _ := micros.Int64()
			return time.UnixMicro(n).UTC()
		}
		for key, item := range v {
			v[key] = value(item)
		}
	}
	return v
}
