// How much happened when, and what stands out of it. Every bar and every mark leads to its entries.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import type { AuditActivity, AuditMark } from "../../api/types";
import { t } from "../../messages";
import { formatDateTime, formatDay, formatTime } from "../../messages/dates";
import { useResource } from "../../state/resource";
import { Badge, Button, Card, EmptyState, Loaded, Segmented, Table } from "../../ui";
import { bars, ceiling, edges, RANGES, total, type Bar, type Range } from "./activity";
import { lookFor } from "./desk";
import { EMPTY_SEARCH, local, MARKS, type SearchForm } from "./search-form";

const WIDTH = 720;
const HEIGHT = 200;
const HEAD = 16; // room for the marks above the bars

function within(from: Date, to: Date): SearchForm {
  return { ...EMPTY_SEARCH, period: "between", from: local(from), to: local(to) };
}

function words(bar: Bar, range: Range): string {
  const at = bar.from.toISOString();
  const when = range === "day" || range === "week" ? formatDateTime(at) : formatDay(at);
  const parts = [t("audit.activity.entries", { count: total(bar) })];
  if (bar.denied > 0) parts.push(t("audit.activity.denied", { count: bar.denied }));
  if (bar.failure > 0) parts.push(t("audit.activity.failure", { count: bar.failure }));
  if (bar.unusual > 0) parts.push(t("audit.activity.unusual", { count: bar.unusual }));
  return `${when}: ${parts.join(", ")}`;
}

function Chart({ all, range }: { all: Bar[]; range: Range }): JSX.Element {
  const top = ceiling(Math.max(...all.map(total)));
  const step = WIDTH / all.length;
  const scale = (HEIGHT - HEAD) / top;
  const label = range === "day" ? (bar: Bar) => formatTime(bar.from.toISOString()) : (bar: Bar) => formatDay(bar.from.toISOString());
  // a number of labels that divides the bars, so that each stands under its own
  const every = all.length / (all.length % 4 === 0 ? 4 : 5);
  return (
    <figure class="chart">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={t("audit.activity.chart", { count: all.reduce((sum, bar) => sum + total(bar), 0) })}>
        {[0.5, 1].map((part) => (
          <line key={part} class="chart__line" x1="0" x2={WIDTH} y1={HEIGHT - part * top * scale} y2={HEIGHT - part * top * scale} />
        ))}
        {all.map((bar, n) => {
          let y = HEIGHT;
          const piece = (count: number, kind: string): JSX.Element | null => {
            if (count === 0) return null;
            const height = Math.max(count * scale, 1.5);
            y -= height;
            return <rect class={`chart__${kind}`} x={n * step + step * 0.12} width={step * 0.76} y={y} height={height} />;
          };
          return (
            <g key={n} class="chart__bar" onClick={() => total(bar) > 0 && lookFor(within(bar.from, bar.to))}>
              <title>{words(bar, range)}</title>
              <rect class="chart__area" x={n * step} width={step} y="0" height={HEIGHT} />
              {piece(bar.success, "success")}
              {piece(bar.denied, "denied")}
              {piece(bar.failure, "failure")}
              {bar.unusual > 0 && <rect class="chart__mark" x={n * step + step * 0.12} width={step * 0.76} y={y - 9} height="6" />}
            </g>
          );
        })}
      </svg>
      <div class="chart__axis numbers" aria-hidden="true">
        {all.filter((_, n) => n % every === 0).map((bar) => (
          <span key={bar.from.getTime()}>{label(bar)}</span>
        ))}
      </div>
      <figcaption class="chart__legend">
        {(["success", "denied", "failure"] as const).map((kind) => (
          <span key={kind}>
            <i class={`chart__key chart__key--${kind}`} aria-hidden="true" />
            {t(`audit.outcome.${kind}`)}
          </span>
        ))}
        <span>
          <i class="chart__key chart__key--mark" aria-hidden="true" />
          {t("audit.activity.stands_out")}
        </span>
        <span class="chart__top numbers">{t("audit.activity.top", { count: top })}</span>
      </figcaption>
      <details class="chart__table">
        <summary>{t("audit.activity.as_table")}</summary>
        <ul>
          {all.filter((bar) => total(bar) > 0).map((bar) => (
            <li key={bar.from.getTime()}>
              <Button variant="quiet" onClick={() => lookFor(within(bar.from, bar.to))}>
                {words(bar, range)}
              </Button>
            </li>
          ))}
        </ul>
      </details>
    </figure>
  );
}

interface Standing {
  mark: AuditMark;
  count: number;
  who: { id: string | null; name: string; count: number }[];
}

function standing(activity: AuditActivity): Standing[] {
  return MARKS.map((mark) => {
    const people = new Map<string, { id: string | null; name: string; count: number }>();
    for (const one of activity.unusual.filter((each) => each.mark === mark)) {
      const name = one.name ?? (one.person ? t("audit.agent.participant") : t("audit.agent.anonymous"));
      const key = one.name ? (one.person ?? name) : name;
      const known = people.get(key) ?? { id: one.name ? one.person : null, name, count: 0 };
      known.count += one.entries;
      people.set(key, known);
    }
    const who = [...people.values()].sort((a, b) => b.count - a.count);
    return { mark, count: who.reduce((sum, each) => sum + each.count, 0), who };
  }).filter((one) => one.count > 0);
}

function StandsOut({ activity, between }: { activity: AuditActivity; between: SearchForm }): JSX.Element {
  const all = standing(activity);
  if (all.length === 0) {
    return (
      <EmptyState icon="shield" title={t("audit.activity.nothing")}>
        {t("audit.activity.nothing_text")}
      </EmptyState>
    );
  }
  return (
    <ul class="standing">
      {all.map((one) => (
        <li key={one.mark}>
          <div class="row row--spread">
            <button type="button" class="standing__open" onClick={() => lookFor({ ...between, unusual: one.mark })}>
              {t(`audit.mark.${one.mark}`)}
            </button>
            <Badge kind="clay">{t("audit.activity.entries", { count: one.count })}</Badge>
          </div>
          <p class="soft small">{t(`audit.mark.${one.mark}.text`)}</p>
          <ul class="standing__who">
            {one.who.slice(0, 5).map((person) => (
              <li key={person.id ?? person.name}>
                <Button variant="quiet" onClick={() => lookFor({ ...between, unusual: one.mark, person: person.id ?? "" })}>
                  {person.name} ({person.count})
                </Button>
              </li>
            ))}
          </ul>
        </li>
      ))}
    </ul>
  );
}

export function ActivityTab(): JSX.Element {
  const [range, setRange] = useState<Range>("week");
  const [now, setNow] = useState(() => new Date());
  const at = edges(range, now);
  const [from, to] = [at[0] ?? now, at.at(-1) ?? now];
  const activity = useResource((signal) => api.auditActivity(from.toISOString(), to.toISOString(), signal), [range, now.getTime()]);
  const between = within(from, to);
  return (
    <div class="stack stack--loose">
      <div class="row row--spread">
        <Segmented
          label={t("audit.activity.range")}
          value={range}
          onChange={(next) => {
            setNow(new Date());
            setRange(next);
          }}
          options={(Object.keys(RANGES) as Range[]).map((value) => ({ value, label: t(`audit.range.${value}`) }))}
        />
        <Button icon="refresh" onClick={() => setNow(new Date())}>
          {t("audit.activity.refresh")}
        </Button>
      </div>
      <Loaded of={activity} lines={6}>
        {(data) => (
          <>
            <div class="overview">
              <Card title={t("audit.activity.title")} intro={t("audit.activity.intro")}>
                <Chart all={bars(data, range, now)} range={range} />
              </Card>
              <Card title={t("audit.activity.stands_out")} intro={t("audit.activity.rules")}>
                <StandsOut activity={data} between={between} />
              </Card>
            </div>
            <Card title={t("audit.activity.people")}>
              {data.people.length === 0 ? (
                <p class="soft">{t("audit.activity.nobody")}</p>
              ) : (
                <Table
                  caption={t("audit.activity.people")}
                  rows={data.people}
                  rowKey={(person) => person.id}
                  columns={[
                    {
                      key: "name",
                      header: t("audit.search.person"),
                      main: true,
                      cell: (person) => (
                        <Button variant="quiet" class="standing__person" onClick={() => lookFor({ ...between, person: person.id })}>
                          {person.name ?? person.id}
                        </Button>
                      ),
                    },
                    { key: "entries", header: t("audit.results"), end: true, cell: (person) => <span class="numbers">{person.entries}</span> },
                    { key: "denied", header: t("audit.outcome.denied"), end: true, cell: (person) => <span class="numbers">{person.denied}</span> },
                    {
                      key: "unusual",
                      header: t("audit.activity.stands_out"),
                      end: true,
                      cell: (person) => (
                        <span class="numbers">
                          {data.unusual.filter((one) => one.person === person.id).reduce((sum, one) => sum + one.entries, 0)}
                        </span>
                      ),
                    },
                  ]}
                />
              )}
            </Card>
          </>
        )}
      </Loaded>
    </div>
  );
}
