#ifndef HZ_BASE_METRICS_H
#define HZ_BASE_METRICS_H
/*
 * metrics - counters, gauges and histograms, in Prometheus' terms.
 *
 * A series is looked up once (it takes a lock) and then kept; adding is lock-free and goes to a
 * part of the series that few threads share. Series live as long as the process.
 *
 * Labels are given as Prometheus writes them, without the braces: provider="a",status="200".
 * Build them with metrics_label, which escapes.
 */

#include "base/buf.h"

enum metric {
#define X(id, name, kind, help) id,
#include "base/metrics.def"
#undef X
    METRICS
};

struct series;

/* NULL-terminated pairs of name and value: metrics_series(M, "provider", p, "model", m, NULL).
 * The same metric and labels give the same series. Beyond METRICS_SERIES_MAX series of one
 * metric all further ones share a series labelled overflow="true". */
enum { METRICS_SERIES_MAX = 2000 };
struct series *metrics_series(enum metric metric, ...) __attribute__((sentinel));

void series_add(struct series *s, int64_t n);      /* counter or gauge; n < 0 for gauges only */
void series_observe(struct series *s, double seconds); /* histogram */
int64_t series_value(const struct series *s);      /* counter, gauge; a histogram's count */

/* All series in the Prometheus text format 0.0.4. */
void metrics_render(struct buf *out);

#endif
