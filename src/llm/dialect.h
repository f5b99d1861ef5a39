#ifndef HZ_LLM_DIALECT_H
#define HZ_LLM_DIALECT_H
/* dialect - what tells one provider API from another on the way out, as a table. */

#include "llm/llm.h"

struct dialect_info {
    const char *prefix;      /* between base_path and the operation */
    bool has_deployment;     /* the deployment's name stands in the path, behind the prefix */
    bool has_api_key_header; /* api-key: K instead of Authorization: Bearer K */
    bool drops_extra; /* fields outside the contract are an error unless a header says drop */
    const char *api_version; /* default of the query parameter; empty: none is sent */
};

const struct dialect_info *dialect_info(enum dialect dialect);
/* Does this provider answer encoding_format base64 by itself? */
bool dialect_has_base64(const struct provider *p);

#endif
