#include "api/schemas.hpp"

namespace keelson::api {

Words words_of(Type<PullPolicy>) {
  static constexpr std::string_view kWords[] = {"", "Always", "IfNotPresent", "Never"};
  return kWords;
}

Words words_of(Type<Protocol>) {
  static constexpr std::string_view kWords[] = {"", "TCP", "UDP", "SCTP"};
  return kWords;
}

Words words_of(Type<UriScheme>) {
  static constexpr std::string_view kWords[] = {"", "HTTP", "HTTPS"};
  return kWords;
}

Words words_of(Type<MountPropagation>) {
  static constexpr std::string_view kWords[] = {"", "None", "HostToContainer", "Bidirectional"};
  return kWords;
}

Words words_of(Type<RecursiveReadOnly>) {
  static constexpr std::string_view kWords[] = {"", "Disabled", "IfPossible", "Enabled"};
  return kWords;
}

Words words_of(Type<TerminationMessagePolicy>) {
  static constexpr std::string_view kWords[] = {"", "File", "FallbackToLogsOnError"};
  return kWords;
}

Words words_of(Type<ContainerRestartPolicy>) {
  static constexpr std::string_view kWords[] = {"", "Always", "OnFailure", "Never"};
  return kWords;
}

Words words_of(Type<ProfileType>) {
  static constexpr std::string_view kWords[] = {"", "RuntimeDefault", "Localhost", "Unconfined"};
  return kWords;
}

Words words_of(Type<ProcMount>) {
  static constexpr std::string_view kWords[] = {"", "Default", "Unmasked"};
  return kWords;
}

Words words_of(Type<HostPathType>) {
  static constexpr std::string_view kWords[] = {"",       "DirectoryOrCreate", "Directory",  "FileOrCreate", "File",
                                                "Socket", "CharDevice",        "BlockDevice"};
  return kWords;
}

Words words_of(Type<PodPhase>) {
  static constexpr std::string_view kWords[] = {"", "Pending", "Running", "Succeeded", "Failed", "Unknown"};
  return kWords;
}

Words words_of(Type<ConditionStatus>) {
  static constexpr std::string_view kWords[] = {"", "True", "False", "Unknown"};
  return kWords;
}

Words words_of(Type<QosClass>) {
  static constexpr std::string_view kWords[] = {"", "Guaranteed", "Burstable", "BestEffort"};
  return kWords;
}

Words words_of(Type<RestartPolicy>) {
  static constexpr std::string_view kWords[] = {"", "Always", "OnFailure", "Never"};
  return kWords;
}

Words words_of(Type<DnsPolicy>) {
  static constexpr std::string_view kWords[] = {"", "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"};
  return kWords;
}

Words words_of(Type<FsGroupChangePolicy>) {
  static constexpr std::string_view kWords[] = {"", "Always", "OnRootMismatch"};
  return kWords;
}

Words words_of(Type<SupplementalGroupsPolicy>) {
  static constexpr std::string_view kWords[] = {"", "Merge", "Strict"};
  return kWords;
}

} // namespace keelson::api
