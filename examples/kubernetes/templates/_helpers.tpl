{{- define "lavka.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "lavka.labels" -}}
{{ include "lavka.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Values.image.tag | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "lavka.image" -}}
{{ required "image.repository is required" .Values.image.repository }}:{{ required "image.tag is required" .Values.image.tag }}
{{- end }}

{{- /* The first host name, which Django accepts in health checks. */ -}}
{{- define "lavka.host" -}}
{{- $hosts := required "environment.ALLOWED_HOSTS is required" .Values.environment.ALLOWED_HOSTS -}}
{{ splitList "," $hosts | first | trim | trimPrefix "." | replace "*" "localhost" }}
{{- end }}

{{- /* The variables of the ConfigMap. Pods have no common directory, so pictures must be in an object storage. */ -}}
{{- define "lavka.environment" -}}
{{- range $name := list "ALLOWED_HOSTS" "DB_HOST" "OBJECT_STORAGE_URL" "OBJECT_STORAGE_REGION" "OBJECT_STORAGE_BUCKET" }}
{{- $_ := required (printf "environment.%s is required" $name) (get $.Values.environment $name) }}
{{- end }}
{{- range $name, $value := .Values.environment }}
{{ $name }}: {{ $value | toString | quote }}
{{- end }}
PORT: "8000"
{{- end }}

{{- define "lavka.pod" -}}
automountServiceAccountToken: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
volumes:
  - name: data
    emptyDir: {}
  - name: tmp
    emptyDir: {}
{{- end }}

{{- define "lavka.container" -}}
image: {{ include "lavka.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: data, mountPath: /data}
  - {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "lavka.envFrom" -}}
envFrom:
  - configMapRef: {name: {{ .Release.Name }}}
  - secretRef: {name: {{ .Values.secretName }}}
{{- end }}

{{- /* Pods start again when the ConfigMap changes. */ -}}
{{- define "lavka.checksum" -}}
checksum/environment: {{ include "lavka.environment" . | sha256sum }}
{{- end }}
