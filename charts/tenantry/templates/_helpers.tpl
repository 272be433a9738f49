{{- define "tenantry.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* Of what is in no namespace: two releases of one name may be in one cluster. */}}
{{- define "tenantry.clustername" -}}
{{- printf "%s-%s" .Release.Namespace (include "tenantry.fullname" .) -}}
{{- end -}}

{{- define "tenantry.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "tenantry.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tenantry.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "tenantry.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "`serviceAccount.name` is needed where `serviceAccount.create` is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "tenantry.image" -}}
{{- $image := .image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .version $image.tag) -}}
{{- end -}}
{{- end -}}

{{- /* Of a Pod, for the Pod Security Standard `restricted`. */}}
{{- define "tenantry.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "tenantry.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- /* Whole seconds of `250ms`, `30s`, `10m`, `24h`; the schema lets in nothing else. */}}
{{- define "tenantry.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- if eq $unit "h" }}{{ mul $number 3600 }}
{{- else if eq $unit "m" }}{{ mul $number 60 }}
{{- else if eq $unit "s" }}{{ $number }}
{{- else }}{{ div $number 1000 }}{{ end -}}
{{- end -}}

{{- /* What does not fit together, in words, before anything is installed. */}}
{{- define "tenantry.check" -}}
{{- if and .Values.namespaces (not .Values.clusterId) -}}
{{- fail "with `namespaces` the operator may not read `kube-system`: set `clusterId` to a name of this cluster that no other has" -}}
{{- end -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (add 20 (include "tenantry.seconds" .Values.requestTimeout | int) | int) -}}
{{- fail "`terminationGracePeriodSeconds` must be at least 20 s more than `requestTimeout`: what was sent must be recorded before the process ends" -}}
{{- end -}}
{{- if and .Values.defaultConnection.namespaces (not .Values.defaultConnection.secretName) -}}
{{- fail "`defaultConnection.namespaces` without `defaultConnection.secretName` connects nobody: name the Secret" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsFrom) -}}
{{- fail "`networkPolicy.metricsFrom` is empty, so the NetworkPolicy lets no Prometheus scrape what `metrics.serviceMonitor` names, and `TenantryOperatorAbsent` would be raised: name its peers, such as `[{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]`" -}}
{{- end -}}
{{- if .Values.platform.enabled -}}
{{- include "tenantry.checkPlatform" . -}}
{{- end -}}
{{- end -}}

{{- /* Ports of the way to platforms: theirs, and that of a proxy on the way. */}}
{{- define "tenantry.platformPorts" -}}
{{- $ports := .Values.networkPolicy.platformPorts -}}
{{- with .Values.platformProxy -}}
{{- $named := regexFind ":[0-9]+/?$" . | trimPrefix ":" | trimSuffix "/" -}}
{{- $port := int (default (ternary "443" "80" (hasPrefix "https:" .)) $named) -}}
{{- $ports = append $ports $port -}}
{{- end -}}
{{- range $ports }}
{{ int . }}:
{{- end -}}
{{- end -}}

{{- /* What the operator may do with the objects of a namespace, or of all. */}}
{{- define "tenantry.objectRules" -}}
- apiGroups: [tenantry.dev]
  resources: [partners, clients]
  verbs: [get, list, watch, patch]
- apiGroups: [tenantry.dev]
  resources: [partners/status, clients/status]
  verbs: [patch]
# By name only: what cannot be listed cannot be collected.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
# Images; the watch is for those with the label `tenantry.dev/watch`, and asks for no contents.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{- define "tenantry.subject" -}}
- kind: ServiceAccount
  name: {{ include "tenantry.account" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{- /* A role for people. */}}
{{- define "tenantry.role" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: tenantry-{{ .name }}
  labels: {{- include "tenantry.labels" .root | nindent 4 }}
    {{- if .root.Values.roles.aggregate }}
    {{- range .into }}
    rbac.authorization.k8s.io/aggregate-to-{{ . }}: "true"
    {{- end }}
    {{- end }}
rules:
- apiGroups: [tenantry.dev]
  resources: [{{ .resource }}]
  verbs: [{{ join ", " .verbs }}]
{{ end -}}
