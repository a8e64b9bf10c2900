// SPDX-License-Identifier: Apache-2.0
#include "control/schema/kubernetes_fields.h"

namespace serin::control {
namespace {

class Check {
 public:
  Check(const YamlNode& fields, std::vector<Finding>& findings)
      : fields_(fields), findings_(findings) {}

  void run() {
    // A cluster fills in empty lists.
    if (router_ == "serin" || router_ == "linkerd") {
      for (const std::string_view field : {"hosts", "gateways"})
        if (has_items(field)) add(field, "means something with router istio or gatewayAPI only");
    } else if (has_items("gateways") && !has_items("hosts")) {
      add("gateways", "hosts are missing: the names that come through these gateways");
    } else if (has_items("hosts") && !has_items("gateways")) {
      add("hosts", "gateways are missing: what these names come through");
    }
    if (router_ != "gatewayAPI") refuse("endpointPicker", "means something with gatewayAPI only");
    check_source();
    check_labels();
  }

 private:
  std::string text(std::string_view field, std::string_view otherwise) const {
    const YamlNode* node = fields_.find(field);
    return node == nullptr ? std::string(otherwise) : node->scalar;
  }
  bool has_items(std::string_view field) const {
    const YamlNode* node = fields_.find(field);
    return node != nullptr && !node->items.empty();
  }
  void add(std::string_view field, std::string message) {
    const YamlNode* node = fields_.find(field);
    findings_.push_back({node == nullptr ? fields_.mark : node->mark,
                         "spec.kubernetes." + std::string(field), std::move(message)});
  }
  void refuse(std::string_view field, std::string_view why) {
    if (fields_.find(field) != nullptr) add(field, std::string(why));
  }

  void check_source() {
    const std::string source = text("modelSource", "pull");
    if (source != "volumeClaim") {
      refuse("volumeClaim", "means something with modelSource volumeClaim only");
    } else if (fields_.find("volumeClaim") == nullptr) {
      add("volumeClaim", "is missing: the claim that modelSource says holds the package");
    }
    if (source != "pull") refuse("modelSecret", "means something with modelSource pull only");
    if (source == "image") refuse("image", "is spec.model itself with modelSource image");
  }

  // Ours name what a pod belongs to: another value would take it out of its Service.
  void check_labels() {
    const YamlNode* labels = fields_.find("podLabels");
    if (labels == nullptr) return;
    for (const YamlNode::Entry& entry : labels->entries) {
      if (entry.key.starts_with("serin.dev/") || entry.key.starts_with("app.kubernetes.io/"))
        findings_.push_back({entry.mark, "spec.kubernetes.podLabels." + entry.key,
                             "is given by Serin: serin.dev/… and app.kubernetes.io/… are taken"});
    }
  }

  const YamlNode& fields_;
  std::vector<Finding>& findings_;
  const std::string router_ = text("router", "serin");
};

}  // namespace

void check_kubernetes(const YamlNode& fields, std::vector<Finding>& findings) {
  Check(fields, findings).run();
}

}  // namespace serin::control
