import { byId, setAttribute, setText } from './parts.ts';
import { sayWeather, type Weather } from './weather.ts';

/** What comes and goes sooner is not announced. */
const SETTLED_MS = 2_000;

/** Shows the weather, and announces it when it has settled. */
export class WeatherView {
  readonly #announce: (text: string) => void;
  /** The title on view, and since when. */
  #shown = { title: '', since: 0 };
  #announced = '';

  /** @param announce says something to screen readers */
  constructor(announce: (text: string) => void) {
    this.#announce = announce;
  }

  /** @param now milliseconds since the epoch */
  show(weather: Weather, gateOpensInMs: number, now: number): void {
    const [title, text] = sayWeather(weather, gateOpensInMs);
    setAttribute(byId('weather'), 'data-kind', weather.kind);
    setText(byId('weather-title'), title);
    setText(byId('weather-text'), text);
    if (title !== this.#shown.title) this.#shown = { title, since: now };
    const isNews = title !== this.#announced && weather.kind !== 'waiting';
    if (!isNews || now - this.#shown.since < SETTLED_MS) return;
    if (this.#announced !== '' || weather.kind !== 'fair') this.#announce(`${title}. ${text}`);
    this.#announced = title;
  }
}
