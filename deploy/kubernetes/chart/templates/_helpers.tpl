{{- define "ringcache.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end -}}
{{- end }}

{{- define "ringcache.selector" -}}
app.kubernetes.io/name: ringcache
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ringcache.labels" -}}
{{ include "ringcache.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* A kubelet has no client certificate: the pod then asks itself. */}}
{{- define "ringcache.readiness" -}}
{{- if and .Values.tls.secretName .Values.tls.clientCertificates -}}
exec: { command: [bun, src/main.ts, health] }
timeoutSeconds: 5
{{- else -}}
httpGet: { path: /readyz, port: http, scheme: {{ ternary "HTTPS" "HTTP" (ne .Values.tls.secretName "") }} }
timeoutSeconds: 2
{{- end }}
{{- end }}

{{- define "ringcache.liveness" -}}
{{- if and .Values.tls.secretName .Values.tls.clientCertificates -}}
tcpSocket: { port: http }
{{- else -}}
httpGet: { path: /livez, port: http, scheme: {{ ternary "HTTPS" "HTTP" (ne .Values.tls.secretName "") }} }
{{- end }}
{{- end }}

{{- /* Numbers of a values file are floats, which print 1000000 as 1e+06. */}}
{{- define "ringcache.argument" -}}
{{- $value := index . 1 }}
{{- if and (kindIs "float64" $value) (eq (floor $value) $value) }}{{ $value = int64 $value }}{{ end -}}
--{{ index . 0 }}={{ $value }}
{{- end }}
