CREATE TABLE clients (
    client_id    integer PRIMARY KEY,
    client_name  text NOT NULL,
    country      text NOT NULL,
    email        text NOT NULL,
    client_since date NOT NULL
);
COMMENT ON TABLE clients IS 'Invented people.';

CREATE TABLE portfolios (
    portfolio_id  integer PRIMARY KEY,
    client_id     integer NOT NULL REFERENCES clients,
    client_name   text NOT NULL,
    risk_profile  text NOT NULL CHECK (risk_profile IN ('Conservative', 'Balanced', 'Growth')),
    base_currency text NOT NULL,
    cash          numeric(16, 2) NOT NULL,
    total_value   numeric(16, 2) NOT NULL,
    opened_on     date NOT NULL
);
CREATE INDEX ON portfolios (client_id);
CREATE INDEX ON portfolios (risk_profile);
COMMENT ON TABLE portfolios IS 'Invented. total_value is cash and all positions at the last price.';

CREATE TABLE market_prices (
    symbol      text NOT NULL,
    price_date  date NOT NULL,
    close_price numeric(12, 2) NOT NULL,
    PRIMARY KEY (symbol, price_date)
);
COMMENT ON TABLE market_prices IS 'Real monthly closes of five shares, 2000 to 2010.';

CREATE TABLE positions (
    position_id  integer PRIMARY KEY,
    portfolio_id integer NOT NULL REFERENCES portfolios,
    symbol       text NOT NULL,
    quantity     integer NOT NULL CHECK (quantity > 0),
    cost_basis   numeric(16, 2) NOT NULL,
    acquired_on  date NOT NULL
);
CREATE INDEX ON positions (portfolio_id);
CREATE INDEX ON positions (symbol);
COMMENT ON TABLE positions IS 'Invented holdings.';

CREATE TABLE documents (
    document_id  integer PRIMARY KEY,
    title        text NOT NULL,
    category     text NOT NULL,
    published_on date NOT NULL,
    author       text NOT NULL,
    content      text NOT NULL
);
COMMENT ON TABLE documents IS 'Invented policies, research notes, procedures and letters of an investment firm.';
