// Every table of fields and words. Only the codec's own files include this header.
#pragma once

#include "api/pod.hpp"
#include "api/schema.hpp"

namespace keelson::api {

using Words = std::span<const std::string_view>;

// meta_schema.cpp
const Schema& schema_of(Type<OwnerReference>);
const Schema& schema_of(Type<ObjectMeta>);
const Schema& schema_of(Type<LocalObjectReference>);

// container_schema.cpp
const Schema& schema_of(Type<ObjectFieldSelector>);
const Schema& schema_of(Type<ResourceFieldSelector>);
const Schema& schema_of(Type<KeySelector>);
const Schema& schema_of(Type<EnvVarSource>);
const Schema& schema_of(Type<EnvVar>);
const Schema& schema_of(Type<EnvSourceObject>);
const Schema& schema_of(Type<EnvFromSource>);
const Schema& schema_of(Type<ContainerPort>);
const Schema& schema_of(Type<ResourceClaim>);
const Schema& schema_of(Type<ResourceRequirements>);
const Schema& schema_of(Type<VolumeMount>);
const Schema& schema_of(Type<VolumeDevice>);
const Schema& schema_of(Type<Container>);

// handler_schema.cpp
const Schema& schema_of(Type<ExecAction>);
const Schema& schema_of(Type<HttpHeader>);
const Schema& schema_of(Type<HttpGetAction>);
const Schema& schema_of(Type<TcpSocketAction>);
const Schema& schema_of(Type<GrpcAction>);
const Schema& schema_of(Type<Probe>);
const Schema& schema_of(Type<SleepAction>);
const Schema& schema_of(Type<LifecycleHandler>);
const Schema& schema_of(Type<Lifecycle>);

// security_schema.cpp
const Schema& schema_of(Type<Capabilities>);
const Schema& schema_of(Type<SeLinuxOptions>);
const Schema& schema_of(Type<SecurityProfile>);
const Schema& schema_of(Type<SecurityContext>);
const Schema& schema_of(Type<Sysctl>);
const Schema& schema_of(Type<PodSecurityContext>);

// volume_schema.cpp
const Schema& schema_of(Type<EmptyDirVolume>);
const Schema& schema_of(Type<HostPathVolume>);
const Schema& schema_of(Type<KeyToPath>);
const Schema& schema_of(Type<ConfigMapVolume>);
const Schema& schema_of(Type<SecretVolume>);
const Schema& schema_of(Type<DownwardApiFile>);
const Schema& schema_of(Type<DownwardApiVolume>);
const Schema& schema_of(Type<ServiceAccountTokenProjection>);
const Schema& schema_of(Type<ObjectProjection>);
const Schema& schema_of(Type<DownwardApiProjection>);
const Schema& schema_of(Type<VolumeProjection>);
const Schema& schema_of(Type<ProjectedVolume>);
const Schema& schema_of(Type<PersistentVolumeClaimVolume>);
const Schema& schema_of(Type<Volume>);

// pod_schema.cpp
const Schema& schema_of(Type<PodDnsOption>);
const Schema& schema_of(Type<PodDnsConfig>);
const Schema& schema_of(Type<HostAlias>);
const Schema& schema_of(Type<Toleration>);
const Schema& schema_of(Type<PodSpec>);
const Schema& schema_of(Type<Pod>);

// status_schema.cpp
const Schema& schema_of(Type<PodCondition>);
const Schema& schema_of(Type<ContainerStateWaiting>);
const Schema& schema_of(Type<ContainerStateRunning>);
const Schema& schema_of(Type<ContainerStateTerminated>);
const Schema& schema_of(Type<ContainerState>);
const Schema& schema_of(Type<ContainerStatus>);
const Schema& schema_of(Type<IpAddress>);
const Schema& schema_of(Type<PodStatus>);

// words.cpp: the word of each value of an enumeration, in its order; the first one, unset, is empty.
Words words_of(Type<PullPolicy>);
Words words_of(Type<Protocol>);
Words words_of(Type<UriScheme>);
Words words_of(Type<MountPropagation>);
Words words_of(Type<RecursiveReadOnly>);
Words words_of(Type<TerminationMessagePolicy>);
Words words_of(Type<ContainerRestartPolicy>);
Words words_of(Type<ProfileType>);
Words words_of(Type<ProcMount>);
Words words_of(Type<HostPathType>);
Words words_of(Type<PodPhase>);
Words words_of(Type<ConditionStatus>);
Words words_of(Type<QosClass>);
Words words_of(Type<RestartPolicy>);
Words words_of(Type<DnsPolicy>);
Words words_of(Type<FsGroupChangePolicy>);
Words words_of(Type<SupplementalGroupsPolicy>);

} // namespace keelson::api
