{{- define "iotmon.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "iotmon.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "iotmon.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "iotmon.secretName" -}}
{{- default (include "iotmon.fullname" .) .Values.secrets.existingSecret -}}
{{- end -}}

{{/* Labels that never change, for selectors. Takes root and service. */}}
{{- define "iotmon.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end -}}

{{/* Takes root; service is optional. */}}
{{- define "iotmon.labels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .service }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/part-of: iotmon
app.kubernetes.io/version: {{ default .root.Chart.AppVersion .root.Values.image.tag | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "iotmon.image" -}}
{{- with .root.Values.image -}}
{{- if .registry }}{{ .registry }}/{{ end }}{{ .prefix }}{{ $.service }}:{{ default $.root.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}

{{/* The configuration, with what the operators' resources make known. */}}
{{- define "iotmon.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- if .Values.strimzi.enabled -}}
{{- $_ := set $config "kafka" (merge (dict "brokers" (list (printf "%s-kafka-bootstrap:9092" .Values.strimzi.name))) (default dict $config.kafka)) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The ports of the producer's MQTT broker by their names, as YAML; {} without a broker. */}}
{{- define "iotmon.mqttPorts" -}}
{{- $broker := default dict .Values.config.mqtt_broker -}}
{{- $ports := dict -}}
{{- range $name, $key := dict "mqtt" "addr" "mqtts" "tls_addr" "mqtt-ws" "websocket_addr" "mqtt-wss" "websocket_tls_addr" -}}
{{- with get $broker $key | toString -}}
{{- if not (regexMatch "^.*:[0-9]+$" .) -}}
{{- fail (printf "config.mqtt_broker.%s: %q has no port in digits, such as :1883" $key .) -}}
{{- end -}}
{{- if regexMatch "^(127\\.|localhost:|\\[::1\\])" . -}}
{{- fail (printf "config.mqtt_broker.%s: nobody reaches %q in a pod; use :1883" $key .) -}}
{{- end -}}
{{- $_ := set $ports $name (regexFind "[0-9]+$" . | int) -}}
{{- end -}}
{{- end -}}
{{- toYaml $ports -}}
{{- end -}}

{{/* Annotations that have a mesh hold back and leave alone what it should. */}}
{{- define "iotmon.meshAnnotations" -}}
{{- $ports := join "," .Values.mesh.skipOutboundPorts -}}
{{- if eq .Values.mesh.provider "istio" -}}
proxy.istio.io/config: '{"holdApplicationUntilProxyStarts": true}'
traffic.sidecar.istio.io/excludeOutboundPorts: {{ $ports | quote }}
{{- else if eq .Values.mesh.provider "linkerd" -}}
linkerd.io/inject: enabled
config.linkerd.io/proxy-await: enabled
config.linkerd.io/skip-outbound-ports: {{ $ports | quote }}
{{- else if .Values.mesh.provider -}}
{{- fail (printf "mesh.provider: %q is not known (istio, linkerd or empty)" .Values.mesh.provider) -}}
{{- end -}}
{{- end -}}

{{/* Refuses a grace period in which a pod cannot stop in good order: it would be killed. */}}
{{- define "iotmon.checkTimes" -}}
{{- $timeout := dig "server" "shutdown_timeout" "20s" .Values.config | toString -}}
{{- if regexMatch "^[0-9]+[sm]$" $timeout -}}
{{- $unit := ternary 60 1 (hasSuffix "m" $timeout) -}}
{{- $needed := add .Values.preStopSeconds (mul $unit (regexFind "^[0-9]+" $timeout | int)) -}}
{{- if ge $needed (int .Values.terminationGracePeriodSeconds) -}}
{{- fail (printf "terminationGracePeriodSeconds: must be more than preStopSeconds and server.shutdown_timeout together, which are %d s" $needed) -}}
{{- end -}}
{{- end -}}
{{- end -}}
