{{/* What runs a service. Takes root and service; single if there must never be two pods of it, image if it is not its own,
     roles if it is a consumer. */}}
{{- define "iotmon.workload" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- $values := index $root.Values $service -}}
{{- $name := printf "%s-%s" (include "iotmon.fullname" $root) $service -}}
{{- $scaled := or $values.autoscaling.enabled (and (eq $service "consumer") $root.Values.keda.enabled) -}}
{{- include "iotmon.checkTimes" $root -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "iotmon.labels" . | nindent 4 }}
spec:
  {{- if not $scaled }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    {{- if .single }}
    # Two of them would send the same devices.
    type: Recreate
    {{- else }}
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
    {{- end }}
  selector:
    matchLabels:
      {{- include "iotmon.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "iotmon.labels" . | nindent 8 }}
        {{- with $root.Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        # Pods are replaced when what they read at their start has changed.
        checksum/config: {{ include "iotmon.config" $root | sha256sum }}
        checksum/secrets: {{ toYaml $root.Values.secrets | sha256sum }}
        {{- with include "iotmon.meshAnnotations" $root }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with merge (dict) $values.podAnnotations $root.Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "iotmon.serviceAccountName" $root }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ $root.Values.terminationGracePeriodSeconds }}
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile:
          type: RuntimeDefault
      affinity:
        podAntiAffinity:
          {{- if eq $root.Values.antiAffinity "required" }}
          requiredDuringSchedulingIgnoredDuringExecution:
            - topologyKey: {{ $root.Values.topologyKey }}
              labelSelector:
                matchLabels:
                  {{- include "iotmon.selector" . | nindent 18 }}
          {{- else }}
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm:
                topologyKey: {{ $root.Values.topologyKey }}
                labelSelector:
                  matchLabels:
                    {{- include "iotmon.selector" . | nindent 20 }}
          {{- end }}
      {{- with merge (dict) $values.nodeSelector $root.Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ $service }}
          image: {{ include "iotmon.image" (dict "root" $root "service" (default $service .image)) | quote }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: ["-config", "/etc/iotmon/iotmon.yaml"]
          env:
            {{- if eq $service "producer" }}
            - name: IOTMON_DEVICE_SIMULATOR_ENABLED
              value: {{ $values.simulator | quote }}
            {{- end }}
            {{- with .roles }}
            - name: IOTMON_CONSUMER_ROLES
              value: {{ join "," . | quote }}
            {{- end }}
            {{- if and $root.Values.cloudnativepg.enabled (has $service (list "consumer" "archiver" "web")) }}
            - name: IOTMON_POSTGRES_URL
              valueFrom:
                secretKeyRef:
                  name: {{ $root.Values.cloudnativepg.name }}-app
                  key: uri
            {{- end }}
            {{- with $values.env }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          envFrom:
            - secretRef:
                name: {{ include "iotmon.secretName" $root }}
          ports:
            - name: http
              containerPort: 8080
            {{- if eq $service "producer" }}
            {{- range $port, $number := include "iotmon.mqttPorts" $root | fromYaml }}
            - name: {{ $port }}
              containerPort: {{ $number }}
            {{- end }}
            {{- end }}
          # It answers at once; only a node under great load needs that long.
          startupProbe:
            httpGet: {path: /health, port: http}
            periodSeconds: 2
            failureThreshold: 60
          # Whether the process lives. One that waits for Kafka is not helped by being replaced.
          livenessProbe:
            httpGet: {path: /health, port: http}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          # Whether it can do its work.
          readinessProbe:
            httpGet: {path: /ready, port: http}
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 2
          lifecycle:
            preStop:
              sleep:
                seconds: {{ $root.Values.preStopSeconds }}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: ["ALL"]
          volumeMounts:
            - name: config
              mountPath: /etc/iotmon
              readOnly: true
            {{- if $root.Values.tlsSecret }}
            - name: tls
              mountPath: /tls
              readOnly: true
            {{- end }}
            {{- if and (eq $service "producer") $root.Values.mqtt.usersSecret }}
            # A directory, so that the file changes when the Secret does.
            - name: mqtt
              mountPath: /mqtt
              readOnly: true
            {{- end }}
            - name: tmp
              mountPath: /tmp
      volumes:
        - name: config
          configMap:
            name: {{ include "iotmon.fullname" $root }}
        {{- if $root.Values.tlsSecret }}
        - name: tls
          secret:
            secretName: {{ $root.Values.tlsSecret }}
        {{- end }}
        {{- if and (eq $service "producer") $root.Values.mqtt.usersSecret }}
        - name: mqtt
          secret:
            secretName: {{ $root.Values.mqtt.usersSecret }}
        {{- end }}
        - name: tmp
          emptyDir:
            sizeLimit: 64Mi
{{- end -}}

{{/* How others find a service. Takes root and service. */}}
{{- define "iotmon.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "iotmon.fullname" .root }}-{{ .service }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "iotmon.labels" . | nindent 4 }}
  {{- with .root.Values.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .root.Values.service.type }}
  selector:
    {{- include "iotmon.selector" . | nindent 4 }}
  ports:
    - name: http
      port: {{ .root.Values.service.port }}
      targetPort: http
      appProtocol: http
{{- end -}}

{{/* How many pods of a service there are. Takes root and service. */}}
{{- define "iotmon.scaling" -}}
{{- $values := index .root.Values .service -}}
{{- $name := printf "%s-%s" (include "iotmon.fullname" .root) .service -}}
{{- if $values.podDisruptionBudget.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "iotmon.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ $values.podDisruptionBudget.maxUnavailable }}
  # A pod that is not ready protects nothing.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "iotmon.selector" . | nindent 6 }}
{{- end }}
{{- if and $values.autoscaling.enabled (not (and (eq .service "consumer") .root.Values.keda.enabled)) }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "iotmon.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ $name }}
  minReplicas: {{ $values.autoscaling.minReplicas }}
  maxReplicas: {{ $values.autoscaling.maxReplicas }}
  behavior:
    # Every change moves partitions or viewers: up at once, down in no hurry.
    scaleDown:
      stabilizationWindowSeconds: 300
      policies:
        - {type: Pods, value: 1, periodSeconds: 60}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ $values.autoscaling.cpuPercent }}
{{- end }}
{{- end -}}
