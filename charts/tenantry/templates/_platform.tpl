{{- /* Flags of the platform, as variables of the environment. */}}
{{- define "tenantry.platformEnv" -}}
- {name: TENANTRY_LISTEN, value: "0.0.0.0:8080"}
- {name: TENANTRY_CREDENTIAL_FILE, value: /data/tenantry-credential.json}
{{- if .Values.platform.database.secretName }}
- {name: TENANTRY_DATABASE_URL_FILE, value: {{ printf "/secrets/database/%s" .Values.platform.database.secretKey | quote }}}
{{- else }}
- {name: TENANTRY_DATABASE, value: /data/tenantry.db}
{{- end }}
- {name: TENANTRY_DATABASE_CONNECTIONS, value: {{ int64 .Values.platform.database.connections | quote }}}
- {name: TENANTRY_DATABASE_WAIT_SECONDS, value: {{ int64 .Values.platform.database.waitSeconds | quote }}}
{{- if .Values.platform.auditKey.secretName }}
- {name: TENANTRY_AUDIT_KEY, value: {{ printf "/secrets/audit-key/%s" .Values.platform.auditKey.secretKey | quote }}}
{{- else }}
- {name: TENANTRY_AUDIT_KEY, value: /data/tenantry-audit.key}
{{- end }}
- {name: TENANTRY_PRODUCT_NAME, value: {{ .Values.platform.productName | quote }}}
{{- with include "tenantry.publicUrl" . }}
- {name: TENANTRY_PUBLIC_URL, value: {{ . | quote }}}
{{- end }}
{{- with .Values.platform.trustedProxies }}
- {name: TENANTRY_TRUSTED_PROXIES, value: {{ join "," . | quote }}}
{{- end }}
- {name: TENANTRY_DUO_HOSTS, value: {{ join "," .Values.platform.duoHosts | quote }}}
- {name: TENANTRY_DOCUMENTED_ONLY, value: {{ .Values.platform.documentedOnly | quote }}}
- {name: TENANTRY_NO_RATE_LIMITS, value: {{ not .Values.platform.rateLimits.enabled | quote }}}
- {name: TENANTRY_WRITES_PER_MINUTE, value: {{ int64 .Values.platform.rateLimits.writesPerMinute | quote }}}
- {name: TENANTRY_PAGES_PER_MINUTE, value: {{ int64 .Values.platform.rateLimits.pagesPerMinute | quote }}}
- {name: TENANTRY_READS_PER_MINUTE, value: {{ int64 .Values.platform.rateLimits.readsPerMinute | quote }}}
- {name: TENANTRY_PURGE_AFTER_DAYS, value: {{ int64 .Values.platform.purgeAfterDays | quote }}}
- {name: TENANTRY_LOG_RETENTION_DAYS, value: {{ int64 .Values.platform.logRetentionDays | quote }}}
{{- with .Values.platform.exports.destinations }}
- {name: TENANTRY_EXPORT_DESTINATION, value: {{ join "," . | quote }}}
{{- end }}
- {name: TENANTRY_EXPORT_S3_REGION, value: {{ .Values.platform.exports.s3.region | quote }}}
{{- if .Values.platform.exports.s3.secretName }}
- {name: TENANTRY_EXPORT_S3_KEY_ID, value: {{ .Values.platform.exports.s3.keyId | quote }}}
- {name: TENANTRY_EXPORT_S3_SECRET_FILE, value: {{ printf "/secrets/export-s3/%s" .Values.platform.exports.s3.secretKey | quote }}}
{{- end }}
- {name: TENANTRY_LOG, value: {{ .Values.platform.log | quote }}}
{{- with .Values.platform.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Names of volumes and the Secrets that they show. */}}
{{- define "tenantry.platformSecrets" -}}
{{- with .Values.platform.database.secretName }}
database: {{ . }}
{{- end }}
{{- with .Values.platform.auditKey.secretName }}
audit-key: {{ . }}
{{- end }}
{{- with .Values.platform.exports.s3.secretName }}
export-s3: {{ . }}
{{- end }}
{{- end -}}

{{- /* Where the platform is reached; empty: only within the cluster. */}}
{{- define "tenantry.publicUrl" -}}
{{- if .Values.platform.publicUrl -}}
{{- .Values.platform.publicUrl -}}
{{- else if .Values.platform.ingress.enabled -}}
{{- printf "https://%s" .Values.platform.ingress.host -}}
{{- end -}}
{{- end -}}

{{- /* What does not fit together at the platform. */}}
{{- define "tenantry.checkPlatform" -}}
{{- if .Values.platform.ingress.enabled -}}
{{- $_ := required "`platform.ingress.host` is needed" .Values.platform.ingress.host -}}
{{- $_ := required "`platform.ingress.tlsSecretName` is needed: the operator sends credentials over HTTPS alone" .Values.platform.ingress.tlsSecretName -}}
{{- if not (kindIs "slice" .Values.platform.trustedProxies) -}}
{{- fail "`platform.trustedProxies` is needed with an Ingress: name the addresses of its controller's Pods, such as `[10.0.0.0/8]`, since without them everybody seems to come from the Ingress, and lists of allowed addresses and lockouts go wrong. `[]` says that no `X-Forwarded-For` is to be believed" -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (not .Values.platform.allowFrom) -}}
{{- fail "`platform.allowFrom` is empty, so the NetworkPolicy lets nobody reach the platform, its Ingress included: name the peers of the Ingress controller, such as `[{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]`" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled .Values.platform.database.secretName (not .Values.platform.database.to) -}}
{{- fail "`platform.database.to` is empty, so the NetworkPolicy lets the platform reach no database: name the peers that PostgreSQL is, such as `[{podSelector: {matchLabels: {app: postgresql}}}]` or `[{ipBlock: {cidr: 10.0.0.7/32}}]`" -}}
{{- end -}}
{{- range .Values.platform.exports.destinations -}}
{{- if and (contains "://" .) $.Values.networkPolicy.enabled (not $.Values.platform.httpsTo) -}}
{{- fail (printf "`platform.httpsTo` is empty, so the NetworkPolicy lets no export reach `%s`: name the peers that it is, such as `[{ipBlock: {cidr: 192.0.2.0/24}}]`" .) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.platform.exports.s3.secretName (not .Values.platform.exports.s3.keyId) -}}
{{- fail "`platform.exports.s3.keyId` is needed with `platform.exports.s3.secretName`: name the id of the key whose secret that is" -}}
{{- end -}}
{{- end -}}
