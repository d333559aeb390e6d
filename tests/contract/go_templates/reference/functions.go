package main

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// functions are the project's own, written here once more.
func functions(c testCase, root *template.Template) template.FuncMap {
	orElse := func(v, fallback any) any {
		switch v := v.(type) {
		case nil:
			return fallback
		case string:
			if strings.TrimSpace(v) == "" {
				return fallback
			}
		case []any:
			if len(v) == 0 {
				return fallback
			}
		case map[string]any:
			if len(v) == 0 {
				return fallback
			}
		case map[string]string:
			if len(v) == 0 {
				return fallback
			}
		}
		return v
	}
	return template.FuncMap{
		"default":       orElse,
		"pipedDefault":  func(fallback, v any) any { return orElse(v, fallback) },
		"explicitField": explicitField,
		"toLower":       strings.ToLower,
		"slug": func(s string) string {
			return strings.NewReplacer(" ", "-", "_", "-").Replace(strings.ToLower(strings.TrimSpace(s)))
		},
		"truncSHA": func(s string) string {
			if runes := []rune(s); len(runes) > 12 {
				return string(runes[:12])
			}
			return s
		},
		"envOr": func(key, fallback string) string {
			if v := c.Env[key]; v != "" {
				return v
			}
			return fallback
		},
		"ternary": func(condition bool, a, b any) any {
			if condition {
				return a
			}
			return b
		},
		"now": func() time.Time { return time.UnixMicro(c.Now).UTC() },
		"join": func(list any, separator string) (string, error) {
			items, ok := list.([]any)
			if !ok {
				return "", errors.New("no list")
			}
			texts := []string{}
			for _, item := range items {
				text, ok := item.(string)
				if !ok {
					return "", errors.New("no string")
				}
				texts = append(texts, text)
			}
			return strings.Join(texts, separator), nil
		},
		"indent": func(width int, text string) (string, error) {
			if width < 0 || width > 1000 {
				return "", errors.New("bad width")
			}
			text = strings.TrimRight(text, "\n")
			if text == "" {
				return "", nil
			}
			lines := strings.Split(text, "\n")
			for i := range lines {
				lines[i] = strings.Repeat(" ", width) + lines[i]
			}
			return strings.Join(lines, "\n"), nil
		},
		"trimPrefix": strings.TrimPrefix,
		"quote":      func(v any) string { return strconv.Quote(fmt.Sprint(v)) },
		"include": func(name string, dot any) (string, error) {
			var out strings.Builder
			err := root.ExecuteTemplate(&out, name, dot)
			return out.String(), err
		},
	}
}

// explicitField looks names up one after the other; asks says that a missing key is nil instead of an error.
func explicitField(asks bool, receiver any, names ...string) (any, error) {
	for depth, name := range names {
		switch holder := receiver.(type) {
		case nil:
			if asks && depth == 0 {
				return nil, nil
			}
			return nil, fmt.Errorf("nil has no %s", name)
		case map[string]string:
			receiver = holder[name]
		case map[string]any:
			item, found := holder[name]
			if !found {
				if asks {
					return nil, nil
				}
				return nil, fmt.Errorf("missing key %s", name)
			}
			receiver = item
		default:
			method := reflect.ValueOf(receiver).MethodByName(name)
			if !method.IsValid() || method.Type().NumIn() != 0 || method.Type().NumOut() != 1 {
				return nil, fmt.Errorf("%T has no %s", receiver, name)
			}
			receiver = method.Call(nil)[0].Interface()
		}
	}
	return receiver, nil
}
