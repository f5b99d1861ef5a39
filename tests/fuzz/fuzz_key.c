/* A key that is well formed is exactly as long as keys are, and no longer so when a byte changes.
 */

#include "fuzz.h"

#include "ledger/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_copy(str_make((const char *)data, size));
    uint32_t slots[1] = { 0 };
    struct key_table empty = { .slots = slots, .slots_cap = 1 };
    HZ_ASSERT(!key_table_find(&empty, text));
    if (key_is_well_formed(text)) {
        HZ_ASSERT(text.len == KEY_TEXT_LEN && str_starts(text, STR("hz_live_")));
        char *last = (char *)text.at + text.len - 1;
        *last = *last == 'a' ? 'b' : 'a';
        HZ_ASSERT(!key_is_well_formed(text));
    }
    fuzz_free(text);
    return 0;
}
