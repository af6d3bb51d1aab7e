// Manifests that several tests read.
#pragma once

namespace keelson::api {

inline constexpr const char* kSmallPod = R"yaml(apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: main, image: busybox}
)yaml";

// Uses nearly every field that has a type.
inline constexpr const char* kFullPod = R"yaml(apiVersion: v1
kind: Pod
metadata:
  name: full
  namespace: shop
  uid: 11111111-2222-3333-4444-555555555555
  resourceVersion: "77"
  generation: 3
  creationTimestamp: 2026-01-02T03:04:05Z
  deletionTimestamp: "2026-01-02T04:04:05Z"
  deletionGracePeriodSeconds: 30
  labels: {app: web, example.com/tier: front}
  annotations: {note: "free text"}
  ownerReferences:
  - {apiVersion: apps/v1, kind: ReplicaSet, name: rs, uid: u, controller: true, blockOwnerDeletion: true}
  finalizers: [example.com/f]
  managedFields: [{manager: kubectl, fieldsV1: {"f:spec": {}}}]
spec:
  restartPolicy: OnFailure
  terminationGracePeriodSeconds: 5
  activeDeadlineSeconds: 600
  dnsPolicy: None
  dnsConfig: {nameservers: [10.0.0.10], searches: [svc.local], options: [{name: ndots, value: "5"}, {name: edns0}]}
  hostNetwork: false
  shareProcessNamespace: true
  hostname: full
  subdomain: sub
  hostAliases: [{ip: 10.1.2.3, hostnames: [a.local, b.local]}]
  serviceAccountName: builder
  automountServiceAccountToken: false
  nodeName: node1
  nodeSelector: {disk: ssd}
  priority: 100
  priorityClassName: high
  runtimeClassName: kata
  overhead: {cpu: 10m, memory: 16Mi}
  enableServiceLinks: false
  schedulerName: mine
  imagePullSecrets: [{name: pull}]
  tolerations: [{key: k, operator: Equal, value: v, effect: NoExecute, tolerationSeconds: 60}]
  affinity: {nodeAffinity: {}}
  resources: {requests: {cpu: "2"}, limits: {cpu: "4"}}
  securityContext:
    runAsUser: 1000
    runAsGroup: 1000
    runAsNonRoot: true
    supplementalGroups: [7, 8]
    supplementalGroupsPolicy: Strict
    fsGroup: 9
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
    appArmorProfile: {type: Unconfined}
    seLinuxOptions: {user: u, role: r, type: t, level: s0}
    sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "80"}]
  volumes:
  - {name: scratch, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
  - {name: plain, emptyDir: {}}
  - {name: host, hostPath: {path: /srv/data, type: DirectoryOrCreate}}
  - {name: cm, configMap: {name: conf, defaultMode: 0640, optional: true, items: [{key: k, path: p/q, mode: 0600}]}}
  - {name: sec, secret: {secretName: s, items: [{key: k, path: p}]}}
  - name: down
    downwardAPI:
      items:
      - {path: labels, fieldRef: {fieldPath: metadata.labels}}
      - {path: cpu, resourceFieldRef: {containerName: main, resource: limits.cpu, divisor: 1m}}
  - name: proj
    projected:
      sources:
      - {secret: {name: s}}
      - {configMap: {name: c, optional: true}}
      - {downwardAPI: {items: [{path: pod-name, fieldRef: {fieldPath: metadata.name}}]}}
      - {serviceAccountToken: {path: token, audience: a, expirationSeconds: 7200}}
  - {name: claim, persistentVolumeClaim: {claimName: c, readOnly: true}}
  - {name: net, nfs: {server: s, path: /x}}
  initContainers:
  - {name: setup, image: "busybox:1.36", command: [sh, -c, "echo $(GREETING)"]}
  - name: proxy
    image: proxy:2
    restartPolicy: Always
    startupProbe: {tcpSocket: {port: 15001}}
  containers:
  - name: main
    image: registry.local:5000/team/app@sha256:0123
    imagePullPolicy: Never
    command: [/bin/app]
    args: [--port, "$(PORT)"]
    workingDir: /work
    stdin: true
    stdinOnce: true
    tty: true
    terminationMessagePath: /tmp/end
    terminationMessagePolicy: FallbackToLogsOnError
    envFrom: [{prefix: P_, configMapRef: {name: conf, optional: true}}, {secretRef: {name: s}}]
    env:
    - {name: PORT, value: "80"}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: requests.cpu, divisor: "1"}}}
    - {name: CM, valueFrom: {configMapKeyRef: {name: c, key: k, optional: true}}}
    - {name: SEC, valueFrom: {secretKeyRef: {name: s, key: k}}}
    ports:
    - {name: http, containerPort: 80, hostPort: 8080, protocol: TCP, hostIP: 127.0.0.1}
    - {containerPort: 53, protocol: UDP}
    resources:
      requests: {cpu: 100m, memory: 64Mi}
      limits: {cpu: 0.5, memory: 128Mi, example.com/gpu: 1}
      claims: [{name: dev, request: r}]
    volumeMounts:
    - {name: scratch, mountPath: /scratch}
    - {name: host, mountPath: /data, readOnly: true, recursiveReadOnly: IfPossible, subPath: a/b}
    - {name: host, mountPath: /rs, mountPropagation: HostToContainer, subPathExpr: "$(NODE)"}
    volumeDevices: [{name: claim, devicePath: /dev/xvda}]
    livenessProbe:
      httpGet: {path: /healthz, port: http, scheme: HTTPS, host: 10.0.0.1, httpHeaders: [{name: X-A, value: b}]}
      initialDelaySeconds: 3
      timeoutSeconds: 2
      periodSeconds: 4
      failureThreshold: 5
      terminationGracePeriodSeconds: 1
    readinessProbe: {exec: {command: [cat, /ready]}, successThreshold: 2}
    startupProbe: {grpc: {port: 9000, service: s}}
    lifecycle:
      postStart: {exec: {command: [true-ish]}}
      preStop: {sleep: {seconds: 1}}
      stopSignal: SIGUSR1
    securityContext:
      capabilities: {add: [NET_ADMIN], drop: [ALL]}
      privileged: false
      runAsUser: 5
      runAsGroup: 6
      runAsNonRoot: true
      readOnlyRootFilesystem: true
      allowPrivilegeEscalation: false
      procMount: Default
      seccompProfile: {type: Localhost, localhostProfile: profiles/a.json}
      appArmorProfile: {type: RuntimeDefault}
      seLinuxOptions: {level: s1}
  ephemeralContainers:
  - {name: debugger, image: busybox, targetContainerName: main}
status:
  phase: Running
  conditions: [{type: Ready, status: "True", lastTransitionTime: 2026-01-02T03:04:06Z, reason: R, message: M}]
  hostIP: 192.0.2.1
  hostIPs: [{ip: 192.0.2.1}]
  podIP: 10.0.0.5
  podIPs: [{ip: 10.0.0.5}, {ip: "fd00::5"}]
  startTime: 2026-01-02T03:04:05Z
  qosClass: Burstable
  containerStatuses:
  - name: main
    image: app
    imageID: sha256:0
    containerID: keelson://abc
    ready: true
    started: true
    restartCount: 2
    state: {running: {startedAt: 2026-01-02T03:04:07Z}}
    lastState: {terminated: {exitCode: 137, reason: OOMKilled, finishedAt: 2026-01-02T03:04:06Z, containerID: keelson://old}}
)yaml";

} // namespace keelson::api
