/** All texts, each in English and in Russian. A text that one language lacks does not compile. */
import { getLanguage, type Language, useLanguage } from "./store";

const rules = { en: new Intl.PluralRules("en"), ru: new Intl.PluralRules("ru") };

/** Return a count with the right form of its noun. */
function plural(language: Language, count: number, forms: Partial<Record<Intl.LDMLPluralRule, string>>): string {
  return `${count.toLocaleString(language)} ${forms[rules[language].select(count)] ?? forms.other ?? ""}`;
}

const pairs = {
  skip: ["Skip to content", "К содержанию"],
  menu: ["Catalogue", "Каталог"],
  close: ["Close", "Закрыть"],
  allProducts: ["All products", "Все товары"],
  search: ["Search", "Найти"],
  searchHint: ["Search for products", "Поиск товаров"],
  allResults: [(text: string) => `All results for “${text}”`, (text: string) => `Все результаты: «${text}»`],
  home: ["Home", "Главная"],
  breadcrumbs: ["You are here", "Вы здесь"],
  basket: ["Basket", "Корзина"],
  favourites: ["Favourites", "Избранное"],
  account: ["Account", "Кабинет"],
  logIn: ["Log in", "Войти"],
  logOut: ["Log out", "Выйти"],
  tagline: ["Good things for every day", "Хорошие вещи на каждый день"],
  taglineMore: ["The whole catalogue, delivered to your door.", "Весь каталог с доставкой до двери."],
  recommended: ["Recommended for you", "Вам может понравиться"],
  onSale: ["On sale now", "Сейчас со скидкой"],
  categories: ["Categories", "Категории"],
  products: [
    (count: number) => plural("en", count, { one: "product", other: "products" }),
    (count: number) => plural("ru", count, { one: "товар", few: "товара", many: "товаров", other: "товара" }),
  ],
  sortBy: ["Sort by", "Сортировка"],
  POPULAR: ["Popular", "Популярные"],
  PRICE_ASC: ["Price, low to high", "Сначала дешёвые"],
  PRICE_DESC: ["Price, high to low", "Сначала дорогие"],
  NEWEST: ["Newest", "Новинки"],
  DISCOUNT: ["Largest discount", "По размеру скидки"],
  RELEVANCE: ["Best match", "По релевантности"],
  filters: ["Filters", "Фильтры"],
  skipFilters: ["Skip to products", "К товарам"],
  showFewer: ["Show fewer", "Показать меньше"],
  showAll: [(count: number) => `Show all ${count}`, (count: number) => `Показать все ${count}`],
  clearFilters: ["Clear all filters", "Сбросить фильтры"],
  price: ["Price", "Цена"],
  from: ["from", "от"],
  to: ["to", "до"],
  apply: ["Apply", "Применить"],
  inStock: ["In stock", "В наличии"],
  onSaleOnly: ["On sale", "Со скидкой"],
  brand: ["Brand", "Бренд"],
  nothingFound: ["Nothing found. Try other words or fewer filters.", "Ничего не нашлось. Попробуйте иначе."],
  showMore: ["Show more", "Показать ещё"],
  loading: ["Loading…", "Загружаем…"],
  isNew: ["New", "Новинка"],
  sale: [(percent: number) => `−${percent}%`, (percent: number) => `−${percent}%`],
  was: ["Former price", "Прежняя цена"],
  soldOut: ["Sold out", "Продано"],
  addToBasket: ["Add to basket", "В корзину"],
  added: [(name: string) => `Added to the basket: ${name}`, (name: string) => `Добавлено в корзину: ${name}`],
  toFavourites: ["Add to favourites", "Добавить в избранное"],
  fromFavourites: ["Remove from favourites", "Убрать из избранного"],
  notify: ["Notify me", "Сообщить мне"],
  notified: ["We will mail you", "Мы напишем вам"],
  characteristics: ["Characteristics", "Характеристики"],
  description: ["Description", "Описание"],
  sku: ["SKU", "Артикул"],
  similar: ["Similar products", "Похожие товары"],
  boughtTogether: ["Bought together", "С этим товаром покупают"],
  picture: [(index: number) => `Picture ${index}`, (index: number) => `Фотография ${index}`],
  basketEmpty: ["Your basket is empty.", "В корзине пока пусто."],
  goShopping: ["Go shopping", "Перейти к покупкам"],
  quantity: [(name: string) => `Quantity: ${name}`, (name: string) => `Количество: ${name}`],
  quantityLimits: ["The quantity must be between 1 and 999.", "Укажите количество от 1 до 999."],
  less: ["One less", "На один меньше"],
  more: ["One more", "На один больше"],
  remove: ["Remove", "Удалить"],
  removed: [(name: string) => `Removed from the basket: ${name}`, (name: string) => `Удалено из корзины: ${name}`],
  promoCode: ["Promo code", "Промокод"],
  subtotal: ["Subtotal", "Товары"],
  discount: ["Discount", "Скидка"],
  total: ["Total", "Итого"],
  checkout: ["Go to checkout", "Оформить заказ"],
  suggestedForCart: ["Goes well with your basket", "Подойдёт к вашим покупкам"],
  checkoutTitle: ["Checkout", "Оформление заказа"],
  haveAccount: ["Log in to use your saved addresses.", "Войдите, чтобы выбрать сохранённый адрес."],
  contact: ["Contact", "Получатель"],
  email: ["E-mail address", "Электронная почта"],
  password: ["Password", "Пароль"],
  newPassword: ["New password", "Новый пароль"],
  name: ["Name", "Имя"],
  phone: ["Phone", "Телефон"],
  delivery: ["Delivery address", "Адрес доставки"],
  line1: ["Street and house", "Улица и дом"],
  line2: ["Flat, floor, company", "Квартира, этаж, организация"],
  city: ["City", "Город"],
  postalCode: ["Postal code", "Индекс"],
  country: ["Country", "Страна"],
  countries: [
    { RU: "Russia", BY: "Belarus", KZ: "Kazakhstan", DE: "Germany", FI: "Finland" },
    { RU: "Россия", BY: "Беларусь", KZ: "Казахстан", DE: "Германия", FI: "Финляндия" },
  ],
  comment: ["Comment for the courier", "Комментарий для курьера"],
  optional: ["optional", "необязательно"],
  placeOrder: [(total: string) => `Place the order for ${total}`, (total: string) => `Заказать за ${total}`],
  orderTitle: [(number: string) => `Order ${number}`, (number: string) => `Заказ ${number}`],
  orderThanks: ["Thank you! The confirmation is in your mail.", "Спасибо! Подтверждение — в вашей почте."],
  statuses: [
    { PLACED: "Placed", PAID: "Paid", SHIPPED: "Shipped", DELIVERED: "Delivered", CANCELLED: "Cancelled" },
    { PLACED: "Оформлен", PAID: "Оплачен", SHIPPED: "Отправлен", DELIVERED: "Доставлен", CANCELLED: "Отменён" },
  ],
  history: ["History", "История"],
  items: ["Products", "Товары"],
  tracking: ["Track the parcel", "Отследить посылку"],
  cancelOrder: ["Cancel the order", "Отменить заказ"],
  cancelQuestion: ["Cancel this order? This cannot be undone.", "Отменить этот заказ? Это действие необратимо."],
  cancelledUnits: [(count: number) => `${count} cancelled`, (count: number) => `отменено ${count} шт.`],
  orders: ["Orders", "Заказы"],
  noOrders: ["You have not ordered anything yet.", "Вы ещё ничего не заказывали."],
  addresses: ["Addresses", "Адреса"],
  label: ["Name of the address, such as Home", "Название адреса, например «Дом»"],
  isDefault: ["Default", "Основной"],
  makeDefault: ["Make default", "Сделать основным"],
  deleteQuestion: ["Delete this address?", "Удалить этот адрес?"],
  edit: ["Edit", "Изменить"],
  cancel: ["Cancel", "Отмена"],
  newAddress: ["New address", "Новый адрес"],
  editAddress: ["Edit the address", "Изменение адреса"],
  noAccount: ["New here? Create an account.", "Ещё нет кабинета? Зарегистрируйтесь."],
  forgotPassword: ["Forgot your password?", "Забыли пароль?"],
  registerTitle: ["Create an account", "Регистрация"],
  codeTitle: ["Confirm", "Подтвердить"],
  codeHint: [
    (email: string) => `If ${email} has no account yet, we have mailed a six-digit code to it.`,
    (email: string) => `Если у адреса ${email} ещё нет кабинета, мы отправили на него код из шести цифр.`,
  ],
  code: ["Code from the mail", "Код из письма"],
  resend: ["Send the code again", "Отправить код ещё раз"],
  resent: ["A new code is on its way.", "Новый код уже в пути."],
  resetTitle: ["Reset your password", "Восстановление пароля"],
  sendCode: ["Send a code", "Отправить код"],
  setPassword: ["Set the new password", "Задать новый пароль"],
  passwordSet: ["The new password is set. Log in with it.", "Новый пароль задан. Войдите с ним."],
  hello: [(name: string) => `Hello, ${name}`, (name: string) => `Здравствуйте, ${name}`],
  save: ["Save", "Сохранить"],
  saved: ["Saved.", "Сохранено."],
  noFavourites: ["Press the heart of a product to keep it here.", "Нажмите на сердечко у товара — он будет здесь."],
  notFound: ["Page not found", "Страница не найдена"],
  notFoundMore: ["The address is wrong, or the page has moved.", "Адрес неверен, или страница переехала."],
  orderNotFound: ["The link to this order is incomplete or wrong.", "Заказа с таким номером и такой ссылкой нет."],
  failed: ["Something went wrong", "Что-то пошло не так"],
  offline: ["You are offline, or the shop does not respond.", "Нет связи, или магазин не отвечает."],
  retry: ["Try again", "Повторить"],
  footer: ["A shop on Lavka. Prices include taxes.", "Магазин на Lavka. Цены включают налоги."],
} satisfies Record<string, [unknown, unknown]>;

export type Texts = { [Key in keyof typeof pairs]: (typeof pairs)[Key][0] };

function choose(index: 0 | 1): Texts {
  return Object.fromEntries(Object.entries(pairs).map(([key, pair]) => [key, pair[index]])) as Texts;
}

const dictionaries = { en: choose(0), ru: choose(1) };
/** The texts of the current language. */
export function useTexts(): Texts {
  return dictionaries[useLanguage()];
}

/** Format an amount, such as "2990.00", in a currency. */
export function formatMoney(amount: string, currency: string): string {
  const digits = amount.endsWith(".00") ? 0 : 2;
  return new Intl.NumberFormat(getLanguage(), {
    style: "currency",
    currency,
    currencyDisplay: "narrowSymbol",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    // A string keeps all its digits.
  }).format(amount as unknown as number);
}

/** Format a time in the time zone of the browser. */
export function formatDate(time: string): string {
  return new Intl.DateTimeFormat(getLanguage(), { dateStyle: "long", timeStyle: "short" }).format(new Date(time));
}
