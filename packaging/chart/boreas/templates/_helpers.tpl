{{/*
The name of all objects. Pods add a dash and a number, and a node of a cluster has the name of its pod,
which may have 32 characters.
*/}}
{{- define "boreas.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 28 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 28 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 28 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "boreas.nodes" -}}
{{ include "boreas.fullname" . }}-nodes
{{- end -}}

{{- define "boreas.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "boreas.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "boreas.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "boreas.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "boreas.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "boreas.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/*
The kind of deployment: nats, cluster or single.
*/}}
{{- define "boreas.kind" -}}
{{- if .Values.nats.servers -}}nats{{- else if gt (int .Values.replicas) 1 -}}cluster{{- else -}}single{{- end -}}
{{- end -}}

{{/*
Whether the pods have volumes: true or empty.
*/}}
{{- define "boreas.persistent" -}}
{{- if and .Values.persistence.enabled (ne (include "boreas.kind" .) "nats") -}}true{{- end -}}
{{- end -}}

{{/*
The nodes of a cluster, by the names that the headless service gives the pods.
*/}}
{{- define "boreas.peers" -}}
{{- $name := include "boreas.fullname" . -}}
{{- $peers := list -}}
{{- range $i := until (int .Values.replicas) -}}
{{- $peers = append $peers (printf "%s-%d=%s-%d.%s.%s.svc.%s:6222" $name $i $name $i (include "boreas.nodes" $) $.Release.Namespace $.Values.clusterDomain) -}}
{{- end -}}
{{- join "," $peers -}}
{{- end -}}

{{/*
boreas.toml. A JSON string is also a string of TOML.
*/}}
{{- define "boreas.config" -}}
{{- $kind := include "boreas.kind" . -}}
{{- $secrets := "/etc/boreas/secrets" -}}
api_host = "0.0.0.0"
api_port = 8001
ws_host = "0.0.0.0"
ws_port = 8002
{{- if .Values.api.insecure }}
api_insecure = true
{{- else }}
admin_key = {{ printf "file:%s/admin/%s" $secrets .Values.api.adminKey.key | toJson }}
{{- end }}
{{- if .Values.api.tls.existingSecret }}
api_tls_cert = "{{ $secrets }}/api-tls/tls.crt"
api_tls_key = "{{ $secrets }}/api-tls/tls.key"
{{- if .Values.api.tls.clientCA }}
api_client_ca = "{{ $secrets }}/api-tls/ca.crt"
{{- end }}
{{- end }}
{{- if .Values.ws.tls.existingSecret }}
ws_tls_cert = "{{ $secrets }}/ws-tls/tls.crt"
ws_tls_key = "{{ $secrets }}/ws-tls/tls.key"
{{- end }}
shutdown_delay = "{{ int .Values.shutdown.delaySeconds }}s"
drain_time = "{{ int .Values.shutdown.drainSeconds }}s"
{{- if include "boreas.persistent" . }}
data_dir = "/var/lib/boreas/data"
{{- end }}
{{- if eq $kind "cluster" }}
cluster_peers = {{ include "boreas.peers" . | toJson }}
cluster_secret = {{ printf "file:%s/cluster/%s" $secrets .Values.cluster.secret.key | toJson }}
cluster_history = {{ .Values.cluster.history | toJson }}
{{- if .Values.cluster.insecure }}
cluster_insecure = true
{{- else }}
cluster_ca = "{{ $secrets }}/cluster-tls/ca.crt"
cluster_cert = "{{ $secrets }}/cluster-tls/tls.crt"
cluster_key = "{{ $secrets }}/cluster-tls/tls.key"
{{- end }}
{{- end }}
{{- if eq $kind "nats" }}
engine = {{ join "," .Values.nats.servers | toJson }}
nats_replicas = {{ int .Values.nats.replicas }}
nats_prefix = {{ .Values.nats.prefix | toJson }}
{{- if eq .Values.nats.auth "password" }}
nats_user = {{ .Values.nats.user | toJson }}
nats_password = "file:{{ $secrets }}/nats/password"
{{- else if eq .Values.nats.auth "token" }}
nats_token = "file:{{ $secrets }}/nats/token"
{{- else if eq .Values.nats.auth "nkey" }}
nats_nkey = "{{ $secrets }}/nats/nkey"
{{- else if eq .Values.nats.auth "creds" }}
nats_creds = "{{ $secrets }}/nats/nats.creds"
{{- end }}
{{- if .Values.nats.tls.existingSecret }}
nats_ca = "{{ $secrets }}/nats-tls/ca.crt"
{{- if .Values.nats.tls.clientCertificate }}
nats_cert = "{{ $secrets }}/nats-tls/tls.crt"
nats_key = "{{ $secrets }}/nats-tls/tls.key"
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.config }}
{{- if kindIs "string" $value }}
{{ $name }} = {{ toJson $value }}
{{- else if kindIs "bool" $value }}
{{ $name }} = {{ $value }}
{{- else }}
{{ $name }} = {{ int64 $value }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
The secrets whose files the pods see, by the name of their folder.
*/}}
{{- define "boreas.secrets" -}}
{{- $kind := include "boreas.kind" . -}}
{{- $all := dict -}}
{{- if not .Values.api.insecure }}{{ $_ := set $all "admin" .Values.api.adminKey.existingSecret }}{{ end -}}
{{- with .Values.api.tls.existingSecret }}{{ $_ := set $all "api-tls" . }}{{ end -}}
{{- with .Values.ws.tls.existingSecret }}{{ $_ := set $all "ws-tls" . }}{{ end -}}
{{- if eq $kind "cluster" -}}
{{- $_ := set $all "cluster" .Values.cluster.secret.existingSecret -}}
{{- if not .Values.cluster.insecure }}{{ $_ := set $all "cluster-tls" .Values.cluster.tls.existingSecret }}{{ end -}}
{{- end -}}
{{- if eq $kind "nats" -}}
{{- if ne .Values.nats.auth "none" }}{{ $_ := set $all "nats" .Values.nats.existingSecret }}{{ end -}}
{{- with .Values.nats.tls.existingSecret }}{{ $_ := set $all "nats-tls" . }}{{ end -}}
{{- end -}}
{{- toJson $all -}}
{{- end -}}

{{/*
A probe of /healthz or /readyz.
*/}}
{{- define "boreas.probe" -}}
httpGet:
  path: {{ .path }}
  port: {{ .port }}
  {{- if .tls }}
  scheme: HTTPS
  {{- end }}
periodSeconds: {{ .times.periodSeconds }}
timeoutSeconds: {{ .times.timeoutSeconds }}
failureThreshold: {{ .times.failureThreshold }}
{{- end -}}
