#include "model/deployment.h"

static const char *const kind_names[PROVIDER_KINDS] = {
    "azure-foundry", "azure-openai", "openai", "openai-compatible", "sim",
};

const char *provider_kind_name(enum provider_kind kind)
{
    return kind_names[kind];
}
