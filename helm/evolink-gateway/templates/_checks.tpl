{{/* Combinations that cannot work, each with what would. What one value alone may be is in values.schema.json. */}}
{{- define "evolink-gateway.checks" -}}
{{- include "evolink-gateway.checkReplicas" . }}
{{- include "evolink-gateway.checkConfig" . }}
{{- include "evolink-gateway.checkSecrets" . }}
{{- include "evolink-gateway.checkTimes" . }}
{{- include "evolink-gateway.checkPersistence" . }}
{{- include "evolink-gateway.checkService" . }}
{{- include "evolink-gateway.checkIngress" . }}
{{- end }}

{{- define "evolink-gateway.checkReplicas" -}}
{{- if gt (int .Values.replicaCount) 1 }}
{{- fail (printf "replicaCount is %d, but the state is one process's own: two gateways on it would buy pictures twice. Use 1; one gateway serves thousands of waiting clients." (int .Values.replicaCount)) }}
{{- end }}
{{- end }}

{{- define "evolink-gateway.checkConfig" -}}
{{- $config := .Values.config }}
{{- range $path, $instead := dict
    "server.listen" "bindAddress and service.port"
    "server.admin_listen" "bindAddress and adminService.port"
    "state.path" "persistence"
    "images.path" "persistence" }}
{{- $steps := splitList "." $path }}
{{- if hasKey (get $config (first $steps) | default dict) (last $steps) }}
{{- fail (printf "config.%s is set by the chart: take it out, and use %s instead." $path $instead) }}
{{- end }}
{{- end }}
{{- end }}

{{/* A text that must not be written out in a ConfigMap: (list "path" value) */}}
{{- define "evolink-gateway.checkHidden" -}}
{{- $value := index . 1 }}
{{- if and $value (not (contains "${" (toString $value))) }}
{{- fail (printf "config.%s is written out, and everybody who may read ConfigMaps would see it: put it into a Secret, name that under `secrets`, and refer to it as ${file:/secrets/NAME/KEY}." (index . 0)) }}
{{- end }}
{{- end }}

{{- define "evolink-gateway.checkSecrets" -}}
{{- $config := .Values.config }}
{{- range list "evolink.api_key" "server.admin_token" "images.link_secret" "images.s3.secret_access_key" }}
{{- include "evolink-gateway.checkHidden" (list . (include "evolink-gateway.setting" (list $ .))) }}
{{- end }}
{{- $own := include "evolink-gateway.setting" (list . "evolink.api_key") }}
{{- range $team, $settings := $config.teams }}
{{- range $key, $of := $settings.keys }}
{{- include "evolink-gateway.checkHidden" (list (printf "teams[%d].keys[%d].secret" $team $key) $of.secret) }}
{{- end }}
{{- end }}
{{- if and .Values.upstream.existingSecret $own }}
{{- fail "upstream.existingSecret and config.evolink.api_key both name the key of the Evolink account: leave one of them empty." }}
{{- end }}
{{- if not (or .Values.upstream.existingSecret $own) }}
{{- fail "No key of an Evolink account: make a Secret (kubectl create secret generic evolink --from-literal=api-key=…) and name it in upstream.existingSecret." }}
{{- end }}
{{- if and .Values.adminToken.existingSecret (include "evolink-gateway.setting" (list . "server.admin_token")) }}
{{- fail "adminToken.existingSecret and config.server.admin_token both name the admin API's token: leave one of them empty." }}
{{- end }}
{{- $names := list }}
{{- range fromJsonArray (include "evolink-gateway.secrets" .) }}
{{- if has .name $names }}
{{- fail (printf "secrets: the name %q is taken twice; evolink and admin are the chart's own." .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- range regexFindAll "\\$\\{file:/secrets/[^/}]+" (toYaml $config) -1 }}
{{- $name := splitList "/" . | last }}
{{- if not (has $name $names) }}
{{- fail (printf "config refers to %s/…}, but no entry of `secrets` has the name %q." . $name) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "evolink-gateway.checkTimes" -}}
{{- $drain := include "evolink-gateway.drainSeconds" . }}
{{- if not (kindIs "invalid" .Values.terminationGracePeriodSeconds) }}
{{- $needed := add (default 0 $drain) .Values.preStopSleepSeconds }}
{{- if le (int64 .Values.terminationGracePeriodSeconds) $needed }}
{{- fail (printf "terminationGracePeriodSeconds is %d, but preStopSleepSeconds and config.server.drain take %d: the pod would be killed amid its answers. Leave it empty, or lower the drain." (int64 .Values.terminationGracePeriodSeconds) $needed) }}
{{- end }}
{{- else if not $drain }}
{{- fail (printf "config.server.drain is %q, which the chart cannot read: write it as 300s or 5m, or set terminationGracePeriodSeconds." (include "evolink-gateway.setting" (list . "server.drain"))) }}
{{- end }}
{{- end }}

{{- define "evolink-gateway.checkPersistence" -}}
{{- with .Values.persistence }}
{{- if and .existingClaim (not .enabled) }}
{{- fail "persistence.existingClaim is set, but persistence.enabled is false: enable it, or leave the claim out." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "evolink-gateway.checkService" -}}
{{- with .Values.service }}
{{- if and .nodePort (eq .type "ClusterIP") }}
{{- fail "service.nodePort is set, but service.type is ClusterIP, which has none: use NodePort or LoadBalancer, or leave the port out." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "evolink-gateway.checkIngress" -}}
{{- with .Values.ingress }}
{{- if .enabled }}
{{- if not .hosts }}
{{- fail "ingress.enabled is true, but ingress.hosts is empty: name the host, such as [{host: images.example.com}]." }}
{{- end }}
{{- $deadline := include "evolink-gateway.seconds" (include "evolink-gateway.setting" (list $ "server.deadline") | default "285s") }}
{{- if and $deadline (le (int64 .timeoutSeconds) (int64 $deadline)) }}
{{- fail (printf "ingress.timeoutSeconds is %d, but the gateway may be silent for %s s (config.server.deadline): calls would be cut that go on being paid for. Raise it above that." (int64 .timeoutSeconds) $deadline) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
