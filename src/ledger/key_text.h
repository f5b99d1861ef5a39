#ifndef HZ_LEDGER_KEY_TEXT_H
#define HZ_LEDGER_KEY_TEXT_H
/* key_text - the form of a key: its parts, its checksum, its hash. Its manual is keys.h. */

#include "ledger/keys.h"

void key_text_make(char out[KEY_TEXT_LEN + 1]);
/* The public part of a text of KEY_TEXT_LEN. */
struct str key_text_id(struct str text);
void key_text_hash(struct str text, unsigned char out[KEY_HASH_BYTES]);

#endif
