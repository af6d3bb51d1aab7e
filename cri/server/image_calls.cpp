// The calls of CRI's ImageService.
#include "base/json.hpp"
#include "cri/oci/container_user.hpp"
#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

namespace {

v1::Image image_message(const Image& image) {
  v1::Image message;
  message.set_id(image.id);
  message.set_size(image.size);
  message.set_pinned(image.pinned);
  *message.mutable_repo_tags() = {image.repo_tags.begin(), image.repo_tags.end()};
  *message.mutable_repo_digests() = {image.repo_digests.begin(), image.repo_digests.end()};
  message.mutable_spec()->set_image(image.id);
  // An image whose USER is out of range shows none; a container from it is refused.
  if (const auto user = image_user(image.config)) {
    if (user->uid)
      message.mutable_uid()->set_value(*user->uid);
    else
      message.set_username(user->username);
  }
  return message;
}

json::array to_array(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

std::string verbose_info(const Image& image) {
  json::object labels;
  for (const auto& [key, value] : image.config.labels) labels[key] = value;
  json::object config{{"User", image.config.user},
                      {"Env", to_array(image.config.env)},
                      {"Entrypoint", to_array(image.config.entrypoint)},
                      {"Cmd", to_array(image.config.cmd)},
                      {"WorkingDir", image.config.working_dir},
                      {"Labels", std::move(labels)},
                      {"StopSignal", image.config.stop_signal}};
  json::object info{{"chainIDs", to_array(image.layers)},
                    {"imageSpec", json::object{{"created", image.created},
                                               {"architecture", image.architecture},
                                               {"os", "linux"},
                                               {"config", std::move(config)}}}};
  return json::to_text(info);
}

RegistryCredentials credentials_of(const v1::AuthConfig& auth) {
  RegistryCredentials credentials;
  credentials.username = auth.username();
  credentials.password = auth.password();
  credentials.auth = auth.auth();
  credentials.identity_token = auth.identity_token();
  credentials.registry_token = auth.registry_token();
  credentials.server_address = auth.server_address();
  return credentials;
}

} // namespace

Result<v1::ListImagesResponse> Runtime::list_images(const v1::ListImagesRequest& request) {
  v1::ListImagesResponse response;
  const std::string& wanted = request.filter().image().image();
  if (!wanted.empty()) {
    if (const auto image = state_->images->find(wanted))
      *response.add_images() = image_message(*image);
    else if (image.error().code != Code::not_found)
      return Fail(image.error());
    return response;
  }
  for (const Image& image : state_->images->list()) *response.add_images() = image_message(image);
  return response;
}

Result<v1::ImageStatusResponse> Runtime::image_status(const v1::ImageStatusRequest& request) {
  if (request.image().image().empty()) return fail(Code::invalid_argument, "image.image is empty");
  v1::ImageStatusResponse response;
  const auto image = state_->images->find(request.image().image());
  // CRI: an image that is not there is an empty answer, not an error.
  if (!image && image.error().code == Code::not_found) return response;
  if (!image) return Fail(image.error());
  *response.mutable_image() = image_message(*image);
  if (request.verbose()) (*response.mutable_info())["info"] = verbose_info(*image);
  return response;
}

Result<v1::PullImageResponse> Runtime::pull_image(const v1::PullImageRequest& request,
                                                  const PullProgressHandler& progress, std::stop_token cancel) {
  if (request.image().image().empty()) return fail(Code::invalid_argument, "image.image is empty");
  PullRequest pull;
  pull.reference = request.image().image();
  pull.credentials = credentials_of(request.auth());
  pull.progress = progress;
  pull.cancel = std::move(cancel);
  TRY_ASSIGN(const Image image, state_->images->pull(pull));
  v1::PullImageResponse response;
  response.set_image_ref(image.id);
  return response;
}

Result<v1::RemoveImageResponse> Runtime::remove_image(const v1::RemoveImageRequest& request) {
  if (request.image().image().empty()) return fail(Code::invalid_argument, "image.image is empty");
  // CRI: the image goes with all of its names, whichever of them the request uses.
  const auto image = state_->images->find(request.image().image());
  if (!image && image.error().code == Code::not_found) return v1::RemoveImageResponse{};
  if (!image) return Fail(image.error());
  TRY(state_->images->remove(image->id));
  return v1::RemoveImageResponse{};
}

Result<v1::ImageFsInfoResponse> Runtime::image_fs_info(const v1::ImageFsInfoRequest&) {
  const ImageUsage usage = state_->images->usage();
  v1::ImageFsInfoResponse response;
  v1::FilesystemUsage& images = *response.add_image_filesystems();
  images.set_timestamp(unix_nanos(usage.taken_at));
  images.mutable_fs_id()->set_mountpoint(usage.mountpoint);
  images.mutable_used_bytes()->set_value(usage.bytes);
  images.mutable_inodes_used()->set_value(usage.inodes);
  // Writable layers lie on the same file system, below the same root.
  v1::FilesystemUsage& layers = *response.add_container_filesystems();
  layers.set_timestamp(unix_nanos(usage.taken_at));
  layers.mutable_fs_id()->set_mountpoint(usage.mountpoint);
  std::uint64_t bytes = 0;
  std::uint64_t inodes = 0;
  for (const auto& container : state_->containers.list()) {
    const auto layer = state_->rootfs->usage(container->id);
    bytes += layer ? layer->bytes : 0;
    inodes += layer ? layer->inodes : 0;
  }
  layers.mutable_used_bytes()->set_value(bytes);
  layers.mutable_inodes_used()->set_value(inodes);
  return response;
}

} // namespace keelson::cri
