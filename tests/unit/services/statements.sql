-- Statements that the embedded server takes, one a line; test_sql_corpus.py reads them.
SELECT n.nspname as "Schema", c.relname as "Name", CASE c.relkind WHEN 'r' THEN 'table' END as "Type", pg_catalog.pg_get_userbyid(c.relowner) as "Owner" FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','p','') AND n.nspname !~ '^pg_toast' AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1,2
SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'
SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a WHERE a.attrelid = 'sample.clients'::regclass AND a.attnum > 0
SELECT risk_profile, percentile_cont(0.5) WITHIN GROUP (ORDER BY total_value) FROM portfolios GROUP BY risk_profile
SELECT risk_profile, base_currency, sum(cash) FROM portfolios GROUP BY GROUPING SETS ((risk_profile), (base_currency), ())
SELECT client_name, rank() OVER (PARTITION BY risk_profile ORDER BY total_value DESC) AS r FROM portfolios ORDER BY r
SELECT * FROM (SELECT client_name, row_number() OVER (ORDER BY total_value) rn FROM portfolios) t WHERE t.rn <= 10
SELECT p.symbol, m.close_price FROM positions p CROSS JOIN LATERAL (SELECT close_price FROM market_prices mp WHERE mp.symbol = p.symbol ORDER BY price_date DESC LIMIT 1) m
SELECT date_trunc('month', price_date)::date AS month, symbol, avg(close_price) FROM market_prices GROUP BY 1, 2 HAVING avg(close_price) > 10
SELECT jsonb_build_object('a', client_name) ->> 'a' FROM clients
SELECT client_name, to_jsonb(c) - 'email' AS rest FROM clients c
SELECT key, value FROM jsonb_each('{"a":1}'::jsonb)
SELECT x, y FROM unnest(ARRAY[1,2], ARRAY['a','b']) AS t(x, y)
SELECT i, elem FROM unnest(ARRAY['a','b']) WITH ORDINALITY AS t(elem, i)
SELECT * FROM json_to_recordset('[{"a":1}]') AS x(a int, b text)
SELECT generate_series(1, 3) AS n
SELECT string_agg(client_name, ', ' ORDER BY client_name) FILTER (WHERE country = 'DE') FROM clients
SELECT DISTINCT ON (symbol) symbol, price_date, close_price FROM market_prices ORDER BY symbol, price_date DESC
SELECT client_name FROM clients WHERE client_since > now() - interval '20 years' AND country = ANY($1::text[])
SELECT client_name FROM clients WHERE (country, client_id) IN (('DE', 1), ('SE', 2))
SELECT coalesce(nullif(country, ''), 'none') c FROM clients WHERE client_name ILIKE '%a%' ESCAPE '!'
WITH t AS MATERIALIZED (SELECT * FROM portfolios), u AS (SELECT client_id, count(*) n FROM t GROUP BY 1) SELECT t.client_name, u.n FROM t JOIN u USING (client_id)
WITH RECURSIVE d AS (SELECT 1 AS n UNION ALL SELECT d.n + 1 FROM d WHERE n < 10) SELECT sum(n) FROM d
SELECT 1 WHERE EXISTS (TABLE clients)
VALUES (1, 'a'), (2, 'b')
SELECT column1 FROM (VALUES (1), (2)) v
SELECT * FROM portfolios TABLESAMPLE SYSTEM (10)
SELECT extract(epoch FROM now()), now() AT TIME ZONE 'UTC', current_timestamp, localtime, session_user, user
SELECT ROW(client_id, client_name) FROM clients
SELECT (c).client_name FROM clients c
SELECT c FROM clients c
SELECT count(c.*) FROM clients c
SELECT clients.client_name, sample.clients.country FROM sample.clients
SELECT '[1,2,3]'::vector <=> '[1,2,4]'::vector AS cosine, '[1,2,3]'::vector <#> '[3,1,2]'::vector, '[1,2,3]'::vector <+> '[3,1,2]'::vector
SELECT client_id FROM clients EXCEPT SELECT client_id FROM portfolios ORDER BY 1
SELECT p.client_id AS "select", 1 AS "from" FROM portfolios p ORDER BY "select"
SELECT a.client_id FROM clients a, portfolios b WHERE a.client_id = b.client_id AND b.total_value BETWEEN $1 AND $2
SELECT sum(total_value) OVER w, avg(total_value) OVER (w ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) FROM portfolios WINDOW w AS (ORDER BY opened_on)
SELECT position('a' IN client_name), substring(client_name FROM 1 FOR 3), trim(both ' ' from client_name), overlay(client_name placing 'x' from 1) FROM clients
SELECT cast(total_value AS int), total_value::int::text FROM portfolios
SELECT make_interval(days => 3), greatest(1,2)
UPDATE portfolios SET (cash, total_value) = (SELECT 1, 2) WHERE portfolio_id = 1
UPDATE portfolios p SET cash = p.cash + x.q FROM (SELECT portfolio_id, sum(quantity) q FROM positions GROUP BY 1) x WHERE x.portfolio_id = p.portfolio_id RETURNING p.*, x.q
INSERT INTO clients (client_id, client_name, country, email, client_since) SELECT 1, 'a', 'b', 'c', now() ON CONFLICT (client_id) DO UPDATE SET client_name = excluded.client_name || clients.client_name WHERE clients.country <> excluded.country RETURNING xmax
INSERT INTO clients VALUES (1, 'a', 'b', 'c', now()) ON CONFLICT DO NOTHING
DELETE FROM positions WHERE portfolio_id IN (SELECT portfolio_id FROM portfolios WHERE risk_profile = $1) RETURNING *
MERGE INTO clients c USING (SELECT 1 AS id) s ON c.client_id = s.id WHEN MATCHED THEN UPDATE SET country = 'X' WHEN NOT MATCHED THEN DO NOTHING
SELECT * FROM clients FOR UPDATE SKIP LOCKED
SELECT client_name FROM clients ORDER BY country NULLS LAST, client_name COLLATE "C" FETCH FIRST 3 ROWS ONLY
SELECT q.* FROM ROWS FROM (generate_series(1,2), generate_series(1,3)) AS q(a,b)
SELECT client_name FROM ONLY clients
SELECT grouping(risk_profile), risk_profile FROM portfolios GROUP BY ROLLUP (risk_profile)
SELECT b.client_id FROM (clients a JOIN portfolios b USING (client_id)) JOIN positions USING (portfolio_id)
SELECT j.client_id, j.country FROM (clients a JOIN portfolios b USING (client_id)) AS j
SELECT client_id FROM clients a JOIN portfolios b USING (client_id) AS j WHERE j.client_id > 1
SELECT upper(r.country) FROM clients r WHERE r.client_name ~* 'a.*b' OR r.client_name SIMILAR TO '%(b|d)%'
SHOW search_path
EXPLAIN SELECT 1
SELECT U&'\\0061', E'\\n', B'101', X'1F', $tag$ it's $tag$
SELECT 1_000, 0x1F, .5, 1e10, 5.
SELECT true IS DISTINCT FROM false, NOT NULL IS NULL, 1 <> 2, 1 != 2, 2 ^ 3, |/ 25, @ -5, 5 % 3, 5 & 3, 5 | 3, 5 # 3, ~5, 1 << 2
SELECT '{"a":{"b":1}}'::jsonb #>> '{a,b}', '{"a":1}'::jsonb @> '{"a":1}', '{"a":1}'::jsonb ? 'a', '[1]'::jsonb @? '$[*]'
SELECT json_object('a': 1), json_array(1,2)
