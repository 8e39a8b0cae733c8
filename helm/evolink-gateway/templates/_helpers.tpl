{{- define "evolink-gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Room is left for the longest suffix, "-admin", within 63 characters. */}}
{{- define "evolink-gateway.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- $name = .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- $name = .Release.Name }}
{{- else }}
{{- $name = printf "%s-%s" .Release.Name $name }}
{{- end }}
{{- $name | trunc 57 | trimSuffix "-" }}
{{- end }}

{{- define "evolink-gateway.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{/* What selects the pods. A Deployment's selector cannot be changed: never add to this. */}}
{{- define "evolink-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "evolink-gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "evolink-gateway.labels" -}}
{{- $own := fromYaml (include "evolink-gateway.selectorLabels" .) }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- $_ := set $own "app.kubernetes.io/version" (.Values.image.tag | default .Chart.AppVersion | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service }}
{{- merge $own (deepCopy .Values.commonLabels) | toYaml }}
{{- end }}

{{/* The pod's: what changes with every release of the chart would restart it. */}}
{{- define "evolink-gateway.podLabels" -}}
{{- $labels := fromYaml (include "evolink-gateway.labels" .) }}
{{- merge (fromYaml (include "evolink-gateway.selectorLabels" .)) (omit $labels "helm.sh/chart") (deepCopy .Values.podLabels) | toYaml }}
{{- end }}

{{/* metadata of an object: (list $ "suffix of the name" annotations) */}}
{{- define "evolink-gateway.metadata" -}}
{{- $ := index . 0 -}}
name: {{ include "evolink-gateway.fullname" $ }}{{ index . 1 }}
namespace: {{ include "evolink-gateway.namespace" $ }}
labels:
  {{- include "evolink-gateway.labels" $ | nindent 2 }}
{{- with merge (deepCopy (index . 2)) (deepCopy $.Values.commonAnnotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "evolink-gateway.image" -}}
{{- $image := .Values.image }}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "evolink-gateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "evolink-gateway.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "evolink-gateway.claimName" -}}
{{- .Values.persistence.existingClaim | default (include "evolink-gateway.fullname" .) }}
{{- end }}

{{/* An address to listen on: (list $ port) */}}
{{- define "evolink-gateway.listen" -}}
{{- $address := (index . 0).Values.bindAddress }}
{{- if contains ":" $address }}{{ $address = printf "[%s]" $address }}{{ end }}
{{- printf "%s:%d" $address (index . 1) }}
{{- end }}

{{/* A duration of the configuration (1h30m, 90s, 500ms) in whole seconds, rounded up; nothing for other texts. */}}
{{- define "evolink-gateway.seconds" -}}
{{- $text := trim (toString .) }}
{{- if regexMatch "^([0-9]+(ms|[dhms]))+$" $text }}
{{- $units := dict "d" 86400000 "h" 3600000 "m" 60000 "s" 1000 "ms" 1 }}
{{- $total := 999 }}
{{- range regexFindAll "[0-9]+(ms|[dhms])" $text -1 }}
{{- $total = add $total (mul (regexFind "^[0-9]+" .) (get $units (regexFind "[a-z]+$" .))) }}
{{- end }}
{{- div $total 1000 }}
{{- end }}
{{- end }}

{{/* A single setting of the configuration as text, nothing where it is not set: (list $ "server.drain") */}}
{{- define "evolink-gateway.setting" -}}
{{- $at := (index . 0).Values.config }}
{{- range splitList "." (index . 1) }}
{{- $at = kindIs "map" $at | ternary (get (kindIs "map" $at | ternary $at dict) .) nil }}
{{- end }}
{{- if not (kindIs "invalid" $at) }}{{ toString $at }}{{ end }}
{{- end }}

{{- define "evolink-gateway.drainSeconds" -}}
{{- include "evolink-gateway.seconds" (include "evolink-gateway.setting" (list . "server.drain") | default "300s") }}
{{- end }}

{{- define "evolink-gateway.graceSeconds" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds }}
{{- add (include "evolink-gateway.drainSeconds" .) .Values.preStopSleepSeconds 25 }}
{{- else }}
{{- int64 .Values.terminationGracePeriodSeconds }}
{{- end }}
{{- end }}
