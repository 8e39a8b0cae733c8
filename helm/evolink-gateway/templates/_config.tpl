{{/* The Secrets that are mounted under /secrets, as a JSON list of {name, existingSecret, items}. */}}
{{- define "evolink-gateway.secrets" -}}
{{- $all := list }}
{{- with .Values.upstream }}
{{- if .existingSecret }}
{{- $all = append $all (dict "name" "evolink" "existingSecret" .existingSecret "items" (list (dict "key" .key "path" "api-key"))) }}
{{- end }}
{{- end }}
{{- with .Values.adminToken }}
{{- if .existingSecret }}
{{- $all = append $all (dict "name" "admin" "existingSecret" .existingSecret "items" (list (dict "key" .key "path" "token"))) }}
{{- end }}
{{- end }}
{{- concat $all .Values.secrets | toJson }}
{{- end }}

{{/* The gateway's configuration: `config`, and where the chart's Secrets are. Addresses and paths are variables. */}}
{{- define "evolink-gateway.config" -}}
{{- $config := deepCopy .Values.config }}
{{- if .Values.upstream.existingSecret }}
{{- $config = merge (dict "evolink" (dict "api_key" "${file:/secrets/evolink/api-key}")) $config }}
{{- end }}
{{- if .Values.adminToken.existingSecret }}
{{- $config = merge (dict "server" (dict "admin_token" "${file:/secrets/admin/token}")) $config }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{/* The part of it that holds only after a restart: what the running gateway takes over by itself is left out. */}}
{{- define "evolink-gateway.restartConfig" -}}
{{- $config := fromYaml (include "evolink-gateway.config" .) }}
{{- range list "teams" "strict" "limits" "models" "pricing" }}
{{- $config = unset $config . }}
{{- end }}
{{- range list "cache.enabled" "cache.scope" "cache.ttl" "evolink.api_key" "server.admin_token" "log.prompts" }}
{{- $path := splitList "." . }}
{{- with get $config (first $path) }}
{{- $_ := unset . (last $path) }}
{{- end }}
{{- end }}
{{- toYaml $config }}
{{- end }}
