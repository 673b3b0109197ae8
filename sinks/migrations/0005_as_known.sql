-- Activities, companies and the registry as known at an instant; known = '2200-01-01 00:00:00' is now.
-- Every view of figures, here and below, states the settings that it is counted with (PINNED of sinks/pinned_settings.py),
-- so the settings of a server, a profile or a session do not change a figure.

CREATE VIEW IF NOT EXISTS ${DATABASE}.activity_at ${ON_CLUSTER} AS
SELECT * FROM
(
    SELECT source, activity_id, revision, company_id, cluster, event_type,
           if(reported = '', [], splitByChar(',', reported)) AS reported, if(derived = '', [], splitByChar(',', derived)) AS derived, occurred_on
    FROM ${DATABASE}.activity FINAL
    WHERE {known:DateTime64(3, 'UTC')} >= toDateTime64('2200-01-01 00:00:00', 3, 'UTC') AND is_deleted = 0
    UNION ALL
    SELECT source, activity_id, revision, company_id, cluster, event_type, reported, derived, occurred_on
    FROM
    (
        SELECT * FROM ${DATABASE}.activity_revision
        WHERE {known:DateTime64(3, 'UTC')} < toDateTime64('2200-01-01 00:00:00', 3, 'UTC') AND known_at <= {known:DateTime64(3, 'UTC')}
        ORDER BY source, activity_id, revision DESC, known_at
        LIMIT 1 BY source, activity_id
    )
    WHERE is_deleted = 0
)
SETTINGS ${PINNED}
COMMENT 'Activities, one row each, as known at an instant (UTC), retractions left out. SELECT * FROM ${DATABASE}.activity_at(known = ''2200-01-01 00:00:00'') is the present state, at once; an earlier instant reads the history';

CREATE VIEW IF NOT EXISTS ${DATABASE}.company_known ${ON_CLUSTER} AS
SELECT * EXCEPT (is_deleted)
FROM
(
    SELECT company_id, valid_from, is_deleted, name, legal_form, employees, employees_is_band, nuts, industry_scheme, industry, successor_id, ceased_on
    FROM ${DATABASE}.company_version
    WHERE known_at <= {known:DateTime64(3, 'UTC')}
    ORDER BY company_id, valid_from, revision DESC, known_at
    LIMIT 1 BY company_id, valid_from
)
WHERE is_deleted = 0
SETTINGS ${PINNED}
COMMENT 'Versions of companies as known at an instant (UTC). SELECT * FROM ${DATABASE}.company_known(known = ''2200-01-01 00:00:00'') WHERE company_id = ..';

CREATE VIEW IF NOT EXISTS ${DATABASE}.registry_known ${ON_CLUSTER} AS
SELECT revision, content
FROM ${DATABASE}.registry_version
WHERE known_at <= {known:DateTime64(3, 'UTC')}
ORDER BY revision DESC, known_at
LIMIT 1
SETTINGS ${PINNED}
COMMENT 'The registry in force as known at an instant (UTC), as JSON; no row before the first was loaded. SELECT * FROM ${DATABASE}.registry_known(known = ''2200-01-01 00:00:00'')';

CREATE VIEW IF NOT EXISTS ${DATABASE}.cluster_known ${ON_CLUSTER} AS
SELECT one.slug AS cluster, one.name AS name, ifNull(one.name_en, one.name) AS name_en,
       toDate32(greatest(one.valid_from, '1900-01-01')) AS valid_from, if(isNull(one.valid_to), NULL, toDate32(least(assumeNotNull(one.valid_to), '2299-12-31'))) AS valid_to, one.sources AS sources
FROM
(
    SELECT arrayJoin(JSONExtract(content, 'clusters', 'Array(Tuple(slug String, name String, name_en Nullable(String), valid_from String, valid_to Nullable(String), sources Array(String)))')) AS one
    FROM ${DATABASE}.registry_known(known = {known:DateTime64(3, 'UTC')})
)
SETTINGS ${PINNED}
COMMENT 'Cluster organisations in the registry as known at an instant (UTC), one row per span of days (1900 to 2299; valid_to is the last day, NULL = still there) with the sources that speak for it. SELECT cluster, name FROM ${DATABASE}.cluster_known(known = ''2200-01-01 00:00:00'') ORDER BY valid_from DESC LIMIT 1 BY cluster';

CREATE VIEW IF NOT EXISTS ${DATABASE}.institution_at ${ON_CLUSTER} AS
SELECT one.cvr AS company_id, toDate32(one.valid_from) AS valid_from, toDate32(one.valid_to) AS valid_to, one.reason AS reason
FROM
(
    SELECT arrayJoin(JSONExtract(content, 'institutions', 'Array(Tuple(cvr UInt32, valid_from String, valid_to Nullable(String), reason String))')) AS one
    FROM ${DATABASE}.registry_known(known = {known:DateTime64(3, 'UTC')})
)
WHERE toDate32(one.valid_from) <= {as_at:Date32} AND (isNull(one.valid_to) OR toDate32(one.valid_to) >= {as_at:Date32})
SETTINGS ${PINNED}
COMMENT 'Public knowledge institutions as at a day, in the registry as known at an instant (UTC): they are of kind other. valid_from is the first day, valid_to the last, NULL = still one. SELECT * FROM ${DATABASE}.institution_at(as_at = ''2020-12-31'', known = ''2200-01-01 00:00:00'')';

CREATE VIEW IF NOT EXISTS ${DATABASE}.company_canonical ${ON_CLUSTER} AS
WITH RECURSIVE
link AS
(
    SELECT company_id, argMax(successor_id, valid_from) AS successor
    FROM
    (   -- company_known, of companies that ever had a successor only: read again on every step of the walk
        SELECT company_id, valid_from, is_deleted, successor_id
        FROM ${DATABASE}.company_version
        WHERE known_at <= {known:DateTime64(3, 'UTC')} AND valid_from <= {as_at:Date32}
          AND company_id IN (SELECT company_id FROM ${DATABASE}.company_version WHERE successor_id != 0)
        ORDER BY company_id, valid_from, revision DESC, known_at
        LIMIT 1 BY company_id, valid_from
    )
    WHERE is_deleted = 0 AND successor_id != 0
    GROUP BY company_id
),
walk AS
(
    SELECT company_id, [company_id] AS path, successor AS node FROM link
    UNION ALL
    SELECT w.company_id AS company_id, arrayPushBack(w.path, w.node) AS path, l.successor AS node
    FROM walk AS w INNER JOIN link AS l ON l.company_id = w.node
    WHERE NOT has(w.path, w.node) AND length(w.path) <= 100 -- MOST_MERGERS of schemas/company.py
)
SELECT company_id,
       argMax((path, node), length(path)) AS last,
       has(last.1, last.2) OR length(last.1) > 100 AS in_cycle,
       if(in_cycle, company_id, last.2) AS canonical_id,
       arrayPushBack(last.1, last.2) AS chain
FROM walk
GROUP BY company_id
SETTINGS ${PINNED}
COMMENT 'Companies that had been merged into another as at a day, followed to the end of the chain; a successor stays in force until another is named or its version withdrawn. in_cycle = 1: the chain leads back to itself, or is of more than 100 mergers, and the company counts as itself; correct the register. SELECT * FROM ${DATABASE}.company_canonical(as_at = ''2020-12-31'', known = ''2200-01-01 00:00:00'') WHERE in_cycle';

CREATE VIEW IF NOT EXISTS ${DATABASE}.company_at ${ON_CLUSTER} AS
WITH own AS
(
    -- A version from ceased_on or later takes the attributes of the last one before that day: in the order of days, of its
    -- ceased_on that is the begin before it. Every step takes the arrays as they are: a lambda that looked into one for each
    -- version would copy it for each.
    SELECT company_id,
           arraySort(d -> (d.1, d.2), arrayConcat(groupArray((valid_from, 'begins', valid_from, attributes)), groupArray((ceased, '', valid_from, attributes)))) AS days,
           arrayMap((d, before) -> (d.3, if(d.1 <= d.3 AND before.2 = 'begins', before.4, d.4), d.2), days, arrayFill(d -> d.2 = 'begins', days)) AS told,
           arraySort(v -> v.1, arrayFilter(v -> v.3 = '', told)) AS versions,
           arrayMap(v -> (v.1, v.2.1), versions) AS sizes,
           versions[greatest(1, arrayLastIndex(v -> v.1 <= {as_at:Date32}, versions))].2 AS v
    FROM
    (
        SELECT company_id, valid_from, ifNull(ceased_on, toDate32('2299-12-31')) AS ceased, (employees, nuts, industry_scheme, industry, name, legal_form) AS attributes
        FROM ${DATABASE}.company_known(known = {known:DateTime64(3, 'UTC')})
    )
    GROUP BY company_id
)
SELECT m.company_id AS company_id,
       m.canonical_id AS canonical_id,
       m.in_cycle AS in_cycle,
       m.sizes AS sizes,
       c.v.1 AS employees,
       if(c.v.2 = '', 'unknown', c.v.2) AS nuts,
       if(c.v.2 = '', 'unknown', left(c.v.2, 4)) AS region,
       if(c.v.3 = '', 'unknown', c.v.3) AS industry_scheme,
       if(c.v.4 = '', 'unknown', c.v.4) AS industry,
       if(c.v.4 = '', 'unknown', left(c.v.4, 2)) AS division,
       c.v.5 AS name,
       if(c.v.6 = '', 'unknown', c.v.6) AS legal_form,
       if(legal_form IN ('230', '245', '250')  -- OTHER_FORMS of schemas/classifications.py
          OR m.canonical_id IN (SELECT company_id FROM ${DATABASE}.institution_at(as_at = {as_at:Date32}, known = {known:DateTime64(3, 'UTC')})),
          'other', 'company') AS kind
FROM
(
    SELECT o.company_id AS company_id, o.sizes AS sizes, k.in_cycle AS in_cycle, if(ifNull(k.canonical_id, 0) = 0, o.company_id, k.canonical_id) AS canonical_id
    FROM own AS o
    LEFT JOIN ${DATABASE}.company_canonical(as_at = {as_at:Date32}, known = {known:DateTime64(3, 'UTC')}) AS k ON k.company_id = o.company_id
) AS m
LEFT JOIN own AS c ON c.company_id = m.canonical_id
SETTINGS ${PINNED}
COMMENT 'One row per company in the register with canonical_id, the company it counts as after mergers, and that company''s attributes as at a day: before its first version the first one is used, a ceased company keeps its last ones from before that day, and one that the register lacks has none. kind = other for public bodies, by their legal form, and for what the registry lists as an institution on that day; else company. sizes = own employees by valid_from. SELECT * FROM ${DATABASE}.company_at(as_at = ''2020-12-31'', known = ''2200-01-01 00:00:00'')';
