#ifndef HZ_CONFIG_FIELDS_H
#define HZ_CONFIG_FIELDS_H
/*
 * fields - tables that say what a map of the configuration may hold, and the one reader, printer
 * and describer for all of them.
 *
 * A field writes its value at an offset of the struct that the caller names. Dotted names are maps
 * in maps.
 */

#include "config/document.h"

enum field_type {
    FIELD_BOOL,    /* bool */
    FIELD_INT,     /* int64_t within min..max */
    FIELD_TEXT,    /* struct str; one of `choices` if there are any */
    FIELD_CHOICE,  /* int: position in `choices` */
    FIELD_SWITCH,  /* bool: false for the first of two choices, true for the second */
    FIELD_NAMES,   /* const struct str *, and a size_t at `more`; each one of `choices` if any.
                      In one text, as in a variable: separated by commas */
    FIELD_DATE,    /* struct str YYYY-MM-DD */
    FIELD_PRICE,   /* int64_t nano-dollars per million tokens, PRICE_NONE if absent */
    FIELD_ADDRESS, /* "host:port": struct str, and an int at `more` */
    FIELD_NODE     /* const struct node *: read by its owner */
};

enum field_marks {
    FIELD_REQUIRED = 1,
    FIELD_SECRET = 2,       /* never shown */
    FIELD_URL_PASSWORD = 4, /* shown without the password of its user info */
    FIELD_RELOADABLE = 8,   /* a reload may change it; the others need a restart */
    FIELD_FILLED = 16       /* a text that is given is not empty; so are all required ones */
};

struct field {
    const char *name;
    enum field_type type;
    size_t offset, more;
    int64_t min, max;
    const char *choices; /* "a, b, c" */
    const char *unit;
    const char *preset; /* the default as it would be written; NULL: none */
    const char *alias;  /* environment variable that the product already uses */
    unsigned marks;
    const char *help;
};

struct field_table {
    const struct field *fields;
    size_t len;
};
#define FIELD_TABLE(array) ((struct field_table) { (array), HZ_LEN(array) })

struct reading {
    struct arena *arena;
    struct problems *problems;
    const char *prefix;     /* before names in messages: "providers." or "" */
    const struct str *also; /* names that the caller reads itself, for suggestions */
    size_t also_len;
};

void fields_preset(struct field_table table, struct arena *a, void *base);
/* Problems are noted; what could not be read keeps its preset. */
void fields_read(struct field_table table, const struct reading *r, const struct node *map,
                 void *base);
/* As YAML, each line indented; fields without a value are left out. */
void fields_print(struct field_table table, const void *base, int indent, struct buf *out);
/* "0 to 1024", "true, false", ...; empty when anything goes. */
void field_describe_allowed(const struct field *f, struct buf *out);

const struct field *field_find(struct field_table table, struct str name);
/* Position of a word in "a, b, c", or -1. */
int choice_index(const char *choices, struct str word);
struct str choice_at(const char *choices, int index);
/* Text for messages and pages with the password of a URL replaced. */
struct str url_without_password(struct arena *a, struct str url);

#endif
