{{- define "labels-of-codex" -}}
app.kubernetes.io/name: codex
app.kubernetes.io/part-of: {{ .Project }}
{{- end -}}
{{- define "pull-secrets" -}}
{{- with envOr "PULL_SECRET" "" }}
imagePullSecrets: [{name: {{ . }}}]
{{- end -}}
{{- end -}}
